"""Tensors from and to the content of a .safetensors file, bfloat16 among them."""

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

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


def read(data: bytes) -> dict[str, np.ndarray]:
    """Tensors by name from the content of a file; safetensors checks its bounds.

    Raises:
        ValueError: a tensor is of a type that no weights have.
        Exception: of the library, where the content is damaged or something else.
    """
    return {name: _array(name, view) for name, view in safetensors.deserialize(data)}


def write(tensors: Mapping[str, np.ndarray]) -> bytes:
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
