"""Reads the arrays of a .npz file; pickled objects in it are refused."""

import io

import numpy as np


def read(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by name from the content of a file that numpy.savez wrote.

    Raises:
        Exception: of many kinds, where the content is damaged or something else.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)
