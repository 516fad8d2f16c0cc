"""ImageNet weights as variables of a backbone, strictly and without torch."""

from typing import Any

import numpy as np

from stpn_jax.errors import UsageError
from stpn_jax.weights import graft, source, tables, torch_file

COLLECTIONS = ("params", "batch_stats")


def load(backbone: str, weights: str, in_channels: int = 3) -> dict[str, Any]:
    """Reads ImageNet weights for a backbone.

    Args:
        backbone: a row of tables.TABLES.
        weights: path of a file, or `package:NAME`.
        in_channels: 3 for RGB; other numbers inflate the first convolution.

    Returns:
        {params, batch_stats} of the backbone, for graft.graft to check.

    Raises:
        UsageError: no such file or package, unreadable, or for another network.
    """
    variables = _variables(backbone, weights)
    *parents, leaf = tables.TABLES[backbone].first_kernel.split("/")
    layer = variables
    for name in parents:
        layer = layer.get(name, {})
    if leaf not in layer:
        raise UsageError(f"{weights}: the first convolution is missing")
    layer[leaf] = graft.inflate(layer[leaf], in_channels)
    return {name: variables.get(name, {}) for name in COLLECTIONS}


def load_classifier(backbone: str, weights: str) -> dict[str, np.ndarray]:
    """Reads the ImageNet classifier: kernel [c 1000] and bias [1000].

    Raises:
        UsageError: as load, or the file holds no classifier.
    """
    variables = _variables(backbone, weights)
    if "classifier" not in variables:
        raise UsageError(f"{weights}: holds no ImageNet classifier")
    return variables["classifier"]


def _variables(backbone: str, weights: str) -> dict[str, Any]:
    if backbone not in tables.TABLES:
        known = ", ".join(tables.TABLES)
        raise UsageError(f"no weights can be read for {backbone}; only for {known}")
    path = source.locate(weights)
    return graft.convert(tables.TABLES[backbone], torch_file.read(path), str(path))
