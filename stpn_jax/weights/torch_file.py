"""Reads the tensors of a .pth or .pt file without torch and without running it."""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
PARALLEL_PREFIX = "module."


class Storage(NamedTuple):
    """The flat buffer that tensors share: key in the file, dtype and length."""

    key: str
    dtype: np.dtype
    size: int


class StoredTensor(NamedTuple):
    """A tensor as the pickle describes it, before its bytes are read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __setstate__(self, state: Any) -> None:
        """Ignores requires_grad and hooks, which torch before 0.4 stores."""


def read(data: bytes) -> dict[str, np.ndarray]:
    """Reads a state_dict, in the zip format or the one before torch 1.6.

    The pickle inside may name only tensors, storages and OrderedDict; any other name is
    rejected before it is imported, so no code of the file runs.

    It may be wrapped in a dict under `state_dict` or `model`. Arrays are contiguous and
    their names without the prefix of DataParallel.

    Raises:
        Exception: of many kinds, if the content is damaged, something else, or holds
            anything but tensors and plain containers.
    """
    tree, buffers = _open_zip(data) if data[:2] == b"PK" else _open_legacy(data)
    tensors = _state_dict(tree)
    return {name: _array(name, v, buffers(v.storage)) for name, v in tensors.items()}


def _open_zip(data: bytes) -> tuple[Any, Callable[[Storage], bytes]]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    (name,) = (n for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"])
    root = name.removesuffix("data.pkl")
    if f"{root}byteorder" in archive.namelist():
        order = archive.read(f"{root}byteorder")
        if order != b"little":
            raise ValueError(f"byte order {order!r}")
    tree = _Unpickler(io.BytesIO(archive.read(name))).load()
    return tree, lambda storage: archive.read(f"{root}data/{storage.key}")


def _open_legacy(data: bytes) -> tuple[Any, Callable[[Storage], bytes]]:
    stream = io.BytesIO(data)
    magic, protocol = (_Unpickler(stream).load() for _ in range(2))
    if (magic, protocol) != (LEGACY_MAGIC, LEGACY_PROTOCOL):
        raise ValueError("unknown magic number")
    _Unpickler(stream).load()
    unpickler = _Unpickler(stream)
    tree = unpickler.load()
    buffers = {}
    for key in _Unpickler(stream).load():
        (size,) = struct.unpack("<q", stream.read(8))
        storage = unpickler.storages[key]
        if size != storage.size:
            raise ValueError(f"storage {key} has {size} values, not {storage.size}")
        buffers[key] = stream.read(size * storage.dtype.itemsize)
    return tree, lambda storage: buffers[storage.key]


class _Unpickler(pickle.Unpickler):
    """Resolves tensors, storages and OrderedDict, and rejects every other name."""

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in DTYPES:
            # Only its name: a pickle can alter objects, a dtype even for the process.
            return name
        if (module, name) in _CONSTRUCTORS:
            return _CONSTRUCTORS[module, name]()
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no tensor")

    def persistent_load(self, identifier: Any) -> Storage:
        kind, dtype, key, _, size, *rest = identifier
        if kind != "storage" or dtype not in DTYPES or any(rest):
            raise pickle.UnpicklingError("it refers to something that is no storage")
        storage = Storage(str(key), DTYPES[dtype], int(size))
        self.storages[storage.key] = storage
        return storage


class _RebuildTensor:
    """Replaces torch._utils._rebuild_tensor and its _v2, which has more arguments."""

    __slots__ = ()  # So that a pickle cannot alter it.

    def __call__(
        self, storage: Storage, offset: int, shape: Any, strides: Any, *_: Any
    ) -> StoredTensor:
        return StoredTensor(storage, int(offset), tuple(shape), tuple(strides))


class _RebuildParameter:
    """Replaces torch._utils._rebuild_parameter and, before torch 0.4, Parameter."""

    __slots__ = ()

    def __call__(self, data: StoredTensor, *_: Any) -> StoredTensor:
        return data


_CONSTRUCTORS: dict[tuple[str, str], Callable[[], Any]] = {
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor,
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter,
    ("torch.nn.parameter", "Parameter"): _RebuildParameter,
}


def _state_dict(tree: Any) -> Mapping[str, Any]:
    for wrapper in ("state_dict", "model"):
        if isinstance(tree, dict) and isinstance(tree.get(wrapper), dict):
            tree = tree[wrapper]
    if not isinstance(tree, dict) or not tree:
        raise ValueError("it holds no state_dict")
    for name, tensor in tree.items():
        if not isinstance(tensor, StoredTensor) or not isinstance(name, str):
            raise ValueError(f"{name} is {type(tensor).__name__}, not a tensor by name")
    if all(name.startswith(PARALLEL_PREFIX) for name in tree):
        return {name.removeprefix(PARALLEL_PREFIX): v for name, v in tree.items()}
    return tree


def _array(name: str, tensor: StoredTensor, data: bytes) -> np.ndarray:
    """A tensor from the bytes of its storage; its extent is checked first."""
    (_, dtype, size), offset, shape, strides = tensor
    if len(data) != size * dtype.itemsize:
        raise ValueError(f"{name} is cut short")
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    inside = min((offset, *shape, *strides), default=0) >= 0
    if not inside or offset + reach >= max(size, 1):
        raise ValueError(f"{name} reaches outside its storage")
    # More elements than values would be an expanded tensor, which can fill the memory.
    if math.prod(shape) > size:
        raise ValueError(f"{name} has more elements than its storage")
    if math.prod(shape) == 0:
        return np.zeros(shape, dtype)
    values = np.frombuffer(data, dtype)[offset:]
    bytes_per_step = tuple(step * dtype.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(values, shape, bytes_per_step).copy()
