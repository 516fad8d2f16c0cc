"""Weight file formats, chosen by suffix; a file is read once and hashed."""

import dataclasses
import hashlib
import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from etils import epath

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import caffe_file, torch_file

Tensors = Mapping[str, np.ndarray]


class Format(NamedTuple):
    """A kind of file; `read` may raise any Exception on bad content."""

    suffixes: tuple[str, ...]
    read: Callable[[bytes], dict[str, np.ndarray]]
    origin: str  # What writes such files, for the message about a damaged one.
    write: Callable[[Tensors], bytes] | None = None  # None: only read.


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """A file's tensors by its own names, all finite numbers, and what identifies it."""

    path: str
    format: str  # A key of FORMATS.
    size: int  # In bytes.
    checksum: str  # SHA-256 of the content, hex.
    tensors: dict[str, np.ndarray]


def read(path: epath.PathLike) -> WeightFile:
    """Reads a weight file of any known format, without running code from it.

    Raises:
        UsageError: the suffix is unknown, or the file is of another format, damaged,
            truncated, or holds anything but finite numbers.
    """
    path = epath.Path(path)
    name = _format(path)
    data = path.read_bytes()
    try:
        tensors = FORMATS[name].read(data)
        _check_numbers(tensors)
    # Damage can make a reader raise nearly anything: IndexError, UnicodeDecodeError...
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{path}: not a readable {name} weight file ({reason}); expected the whole "
            f"file as {FORMATS[name].origin} writes it"
        ) from error
    checksum = hashlib.sha256(data).hexdigest()
    return WeightFile(str(path), name, len(data), checksum, tensors)


def encode(path: epath.PathLike, tensors: Tensors) -> bytes:
    """The content of a file in the format of the path's suffix.

    Raises:
        UsageError: the format is unknown, read-only, or lacks a tensor's dtype.
    """
    write = FORMATS[_format(epath.Path(path))].write
    if write is None:
        suffixes = ", ".join(k.suffixes[0] for k in FORMATS.values() if k.write)
        raise UsageError(f"{path}: files are written as {suffixes}")
    try:
        return write(tensors)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def is_known(path: epath.PathLike) -> bool:
    """Whether a path's suffix is that of a weight file."""
    return epath.Path(path).suffix.lower() in _by_suffix()


def _by_suffix() -> dict[str, str]:
    return {suffix: name for name, one in FORMATS.items() for suffix in one.suffixes}


def _format(path: epath.Path) -> str:
    known = _by_suffix()
    if path.suffix.lower() not in known:
        raise UsageError(
            f"{path}: weight files end in {', '.join(known)}, not in "
            f"{path.suffix or '(nothing)'}; rename the file by its format"
        )
    return known[path.suffix.lower()]


def _check_numbers(tensors: Tensors) -> None:
    if not tensors:
        raise ValueError("it holds no tensors")
    for name, tensor in tensors.items():
        if tensor.dtype.kind not in "biuf" and tensor.dtype != ml_dtypes.bfloat16:
            raise ValueError(f"{name} holds {tensor.dtype}, not numbers")
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds values that are not finite")


def _read_hdf5(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by their paths in the file, such as block1_conv1/vars/0.

    Links and data in other files are rejected and never opened.
    """
    import h5py  # type: ignore[import-untyped]

    with h5py.File(io.BytesIO(data), "r") as file:
        links: dict[str, Any] = {}
        file.visititems_links(links.__setitem__)
        for name, link in links.items():
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name} is a link, here or to another file")
        items: dict[str, Any] = {}
        file.visititems(items.__setitem__)
        return {
            name: _hdf5_array(name, item)
            for name, item in items.items()
            if isinstance(item, h5py.Dataset)
        }


def _hdf5_array(name: str, dataset: Any) -> np.ndarray:
    """Rejects data of other files, and sizes declared without values behind them."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} is stored in another file")
    if dataset.shape is None or (dataset.size and not dataset.id.get_storage_size()):
        raise ValueError(f"{name} has no values")
    return np.asarray(dataset[()])


def _read_npz(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def _write_npz(tensors: Tensors) -> bytes:
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "V":  # As bfloat16, which numpy would pickle.
            raise ValueError(f"{name} is of type {tensor.dtype}, which .npz lacks")
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **tensors)
    return buffer.getvalue()


# safetensors.numpy.load has no bfloat16.
_SAFETENSORS_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def _read_safetensors(data: bytes) -> dict[str, np.ndarray]:
    tensors = {}
    for name, tensor in safetensors.deserialize(data):
        dtype = _SAFETENSORS_DTYPES.get(tensor["dtype"])
        if dtype is None:
            raise ValueError(f"{name} is of type {tensor['dtype']}")
        tensors[name] = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])
    return tensors


def _write_safetensors(tensors: Tensors) -> bytes:
    for name, tensor in tensors.items():
        if tensor.dtype not in _SAFETENSORS_DTYPES.values():
            raise ValueError(f"{name} is of type {tensor.dtype}")
    return safetensors.numpy.save(
        {n: np.ascontiguousarray(t) for n, t in tensors.items()}
    )


FORMATS = {
    # .tar is for tsn-pytorch's .pth.tar, .bin for timm's pytorch_model.bin.
    "torch": Format(
        (".pth", ".pt", ".tar", ".bin"),
        torch_file.read,
        "torch.save(model.state_dict(), ...)",
    ),
    "safetensors": Format(
        (".safetensors",),
        _read_safetensors,
        "safetensors' save_file",
        _write_safetensors,
    ),
    "npz": Format((".npz",), _read_npz, "numpy.savez", _write_npz),
    "hdf5": Format((".h5", ".hdf5"), _read_hdf5, "Keras' save_weights"),
    "caffe": Format((".caffemodel",), caffe_file.read, "Caffe's snapshot"),
}
