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
WRAPPERS = ("state_dict", "model")
PARALLEL_PREFIX = "module."


class Storage(NamedTuple):
    """The flat buffer that tensors view: its key in the file, type and length."""

    key: str
    dtype: np.dtype
    size: int


class TensorView(NamedTuple):
    """A tensor as the pickle describes it, before its bytes are read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __setstate__(self, state: Any) -> None:
        """Ignores what torch before 0.4 adds to a Parameter: its gradient's needs."""


def read(data: bytes) -> dict[str, np.ndarray]:
    """Reads a state_dict, in the zip format or the one before torch 1.6.

    The pickle inside may name nothing but tensors, storages and OrderedDict; whatever
    else it names is refused before it is looked up, so no code of the file runs.

    Args:
        data: content of a file that torch.save wrote, of a state_dict or of a dict that
            holds one under `state_dict` or `model`.

    Returns:
        Name -> array, contiguous, with the prefix of DataParallel removed.

    Raises:
        Exception: of many kinds, where the content is damaged, something else, or holds
            anything but tensors and plain containers.
    """
    tree, buffers = _open_zip(data) if data[:2] == b"PK" else _open_legacy(data)
    return _arrays(_state_dict(tree), buffers)


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
    """Knows tensors, storages and OrderedDict, and refuses every other name."""

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in DTYPES:
            # Its name alone: a pickle can alter objects, a dtype even for the process.
            return name
        if (module, name) in _CONSTRUCTORS:
            return _CONSTRUCTORS[module, name]()
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no tensor")

    def persistent_load(self, identifier: Any) -> Storage:
        kind, dtype, key, _, size, *view = identifier
        if kind != "storage" or dtype not in DTYPES or any(view):
            raise pickle.UnpicklingError("it refers to something that is no storage")
        storage = Storage(str(key), DTYPES[dtype], int(size))
        self.storages[storage.key] = storage
        return storage


class _RebuildTensor:
    """Stands for torch._utils._rebuild_tensor and its _v2, which has more arguments.

    Slots: a pickle cannot alter it.
    """

    __slots__ = ()

    def __call__(
        self, storage: Storage, offset: int, shape: Any, strides: Any, *_: Any
    ) -> TensorView:
        return TensorView(storage, int(offset), tuple(shape), tuple(strides))


class _RebuildParameter:
    """Stands for torch._utils._rebuild_parameter and, before torch 0.4, Parameter."""

    __slots__ = ()

    def __call__(self, data: TensorView, *_: Any) -> TensorView:
        return data


_CONSTRUCTORS: dict[tuple[str, str], Callable[[], Any]] = {
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor,
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter,
    ("torch.nn.parameter", "Parameter"): _RebuildParameter,
}


def _state_dict(tree: Any) -> Mapping[str, Any]:
    for wrapper in WRAPPERS:
        if isinstance(tree, dict) and isinstance(tree.get(wrapper), dict):
            tree = tree[wrapper]
    if not isinstance(tree, dict) or not tree:
        raise ValueError("it holds no state_dict")
    if all(str(name).startswith(PARALLEL_PREFIX) for name in tree):
        return {name.removeprefix(PARALLEL_PREFIX): v for name, v in tree.items()}
    return tree


def _arrays(
    tree: Mapping[str, Any], buffers: Callable[[Storage], bytes]
) -> dict[str, np.ndarray]:
    for name, view in tree.items():
        if not isinstance(view, TensorView) or not isinstance(name, str):
            raise ValueError(f"{name} is {type(view).__name__}, not a tensor by name")
    return {name: _array(name, view, buffers) for name, view in tree.items()}


def _array(
    name: str, view: TensorView, buffers: Callable[[Storage], bytes]
) -> np.ndarray:
    storage, shape, strides = view.storage, view.shape, view.strides
    data = buffers(storage)
    if len(data) != storage.size * storage.dtype.itemsize:
        raise ValueError(f"{name} is cut short")
    values = np.frombuffer(data, storage.dtype)
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    inside = min((view.offset, *shape, *strides), default=0) >= 0
    # More elements than values would be an expanded view, which can fill the memory.
    if not inside or view.offset + reach >= max(values.size, 1):
        raise ValueError(f"{name} reaches outside its storage")
    if math.prod(shape) > values.size:
        raise ValueError(f"{name} has more elements than its storage")
    if math.prod(shape) == 0:
        return np.zeros(shape, storage.dtype)
    bytes_per_step = tuple(step * storage.dtype.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(
        values[view.offset :], shape, bytes_per_step
    ).copy()
