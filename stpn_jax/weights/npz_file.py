"""Arrays from and to the content of a .npz file; pickled objects are refused."""

import io
from collections.abc import Mapping

import numpy as np


def read(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by name from the content of a file that numpy.savez wrote.

    Raises:
        Exception: of many kinds, where the content is damaged or something else.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def write(tensors: Mapping[str, np.ndarray]) -> bytes:
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
