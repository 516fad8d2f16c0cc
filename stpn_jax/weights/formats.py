"""The kinds of weight files, told by their suffix; a file is read once and hashed."""

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


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        suffixes: that tell it.
        read: from the bytes of a file to its tensors; may raise any Exception.
        origin: what writes such files, for the message about a damaged one.
        write: from tensors to the bytes of a file, for the kinds that we write.
    """

    suffixes: tuple[str, ...]
    read: Callable[[bytes], dict[str, np.ndarray]]
    origin: str
    write: Callable[[Mapping[str, np.ndarray]], bytes] | None = None


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """A file's tensors and what identifies it.

    Attributes:
        path: for messages.
        format: a key of FORMATS.
        size: in bytes.
        checksum: SHA-256 of the content, hex.
        tensors: by the file's own names; numbers, none of them objects or text.
    """

    path: str
    format: str
    size: int
    checksum: str
    tensors: dict[str, np.ndarray]


def read(path: epath.PathLike) -> WeightFile:
    """Reads a weight file of any known format, of which no code runs.

    Raises:
        UsageError: the suffix is unknown, the file is not of that format, damaged,
            truncated, or holds anything but numbers.
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


def encode(path: epath.PathLike, tensors: Mapping[str, np.ndarray]) -> bytes:
    """The content of a file of the format that a path's suffix tells.

    Raises:
        UsageError: that format is unknown, only read, or has no such type of tensor.
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
    suffix = epath.Path(path).suffix.lower()
    return any(suffix in known.suffixes for known in FORMATS.values())


def _format(path: epath.Path) -> str:
    for name, known in FORMATS.items():
        if path.suffix.lower() in known.suffixes:
            return name
    suffixes = ", ".join(s for known in FORMATS.values() for s in known.suffixes)
    raise UsageError(
        f"{path}: the suffix {path.suffix or '(none)'} tells no weight file; known are "
        f"{suffixes}: name the file as what it is"
    )


def _check_numbers(tensors: dict[str, np.ndarray]) -> None:
    if not tensors:
        raise ValueError("it holds no tensors")
    for name, tensor in tensors.items():
        if tensor.dtype.kind not in "biuf" and tensor.dtype != ml_dtypes.bfloat16:
            raise ValueError(f"{name} holds {tensor.dtype}, not numbers")
        if not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds values that are not finite")


def read_hdf5(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by their paths in the file, such as block1_conv1/vars/0.

    Raises:
        ValueError: data lie outside the file, where nothing is ever looked up.
        Exception: of many kinds, where the content is damaged or something else.
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
    """Refuses data of other files, and sizes declared without a value behind them."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} is stored in another file")
    if dataset.shape is None or (dataset.size and not dataset.id.get_storage_size()):
        raise ValueError(f"{name} has no values")
    return np.asarray(dataset[()])


def read_npz(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by name from the content of a file that numpy.savez wrote.

    Raises:
        Exception: of many kinds, where the content is damaged or something else.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def write_npz(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The content of a file with these arrays, uncompressed.

    Raises:
        ValueError: an array is of a type that numpy does not know by itself.
    """
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "V":
            raise ValueError(f"{name} is of type {tensor.dtype}, which .npz lacks")
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **tensors)
    return buffer.getvalue()


DTYPES = {
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


def read_safetensors(data: bytes) -> dict[str, np.ndarray]:
    """Tensors by name from the content of a file; safetensors checks its bounds.

    Raises:
        ValueError: a tensor is of a type that no weights have.
        Exception: of the library, where the content is damaged or something else.
    """
    return {name: _array(name, view) for name, view in safetensors.deserialize(data)}


def write_safetensors(tensors: Mapping[str, np.ndarray]) -> bytes:
    """The content of a file with these tensors.

    Raises:
        ValueError: a tensor is of a type that no weights have.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in DTYPES.values():
            raise ValueError(f"{name} is of type {tensor.dtype}")
    return safetensors.numpy.save(
        {n: np.ascontiguousarray(t) for n, t in tensors.items()}
    )


def _array(name: str, view: dict[str, Any]) -> np.ndarray:
    if view["dtype"] not in DTYPES:
        raise ValueError(f"{name} is of type {view['dtype']}")
    return np.frombuffer(view["data"], DTYPES[view["dtype"]]).reshape(view["shape"])


FORMATS = {
    "torch": Format(
        (".pth", ".pt", ".tar", ".bin"),
        torch_file.read,
        "torch.save(model.state_dict(), ...)",
    ),
    "safetensors": Format(
        (".safetensors",),
        read_safetensors,
        "safetensors' save_file",
        write_safetensors,
    ),
    "npz": Format((".npz",), read_npz, "numpy.savez", write_npz),
    "hdf5": Format((".h5", ".hdf5"), read_hdf5, "Keras' save_weights"),
    "caffe": Format((".caffemodel",), caffe_file.read, "Caffe's snapshot"),
}
"""`.tar` is for tsn-pytorch's .pth.tar, `.bin` for timm's pytorch_model.bin."""
