"""The kinds of weight files, told by their suffix; a file is read once and hashed."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import ml_dtypes
import numpy as np
from etils import epath

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import (
    caffe_file,
    hdf5_file,
    npz_file,
    safetensors_file,
    torch_file,
)


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


FORMATS = {
    "torch": Format(
        (".pth", ".pt", ".tar", ".bin"),
        torch_file.read,
        "torch.save(model.state_dict(), ...)",
    ),
    "safetensors": Format(
        (".safetensors",),
        safetensors_file.read,
        "safetensors' save_file",
        safetensors_file.write,
    ),
    "npz": Format((".npz",), npz_file.read, "numpy.savez", npz_file.write),
    "hdf5": Format((".h5", ".hdf5"), hdf5_file.read, "Keras' save_weights"),
    "caffe": Format((".caffemodel",), caffe_file.read, "Caffe's snapshot"),
}
"""`.tar` is for tsn-pytorch's .pth.tar, `.bin` for timm's pytorch_model.bin."""


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
