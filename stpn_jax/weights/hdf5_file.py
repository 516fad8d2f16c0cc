"""Reads the data sets of an HDF5 file, which is how Keras stores weights."""

import io
from typing import Any

import numpy as np


def read(data: bytes) -> dict[str, np.ndarray]:
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
            name: _array(name, item)
            for name, item in items.items()
            if isinstance(item, h5py.Dataset)
        }


def _array(name: str, dataset: Any) -> np.ndarray:
    """Refuses data of other files, and sizes declared without a value behind them."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{name} is stored in another file")
    if dataset.shape is None or (dataset.size and not dataset.id.get_storage_size()):
        raise ValueError(f"{name} has no values")
    return np.asarray(dataset[()])
