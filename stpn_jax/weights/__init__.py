"""Weights of other people's networks and of our own as variables of a backbone."""

import dataclasses
from typing import Any

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import assign, channels, formats, own, source, tables

# What a part of a network has; sketches belong to a network as a whole.
COLLECTIONS = ("params", "batch_stats")


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What a weight file holds for a backbone.

    Attributes:
        variables: {params, batch_stats} of the backbone; batch_stats may be empty.
        hidden: VGG's fully connected layers as far as the file has them: fc6 and fc7,
            each {kernel, bias}; fc6 sees a map flattened in the order y, x, c.
        classifier: kernel [c classes] and bias, or None if the file has none.
        checksum: SHA-256 of the file, hex.
        layout: name of the table that knew the file's names.
    """

    variables: dict[str, Any]
    hidden: dict[str, Any]
    classifier: dict[str, Any] | None
    checksum: str
    layout: str


def load(backbone: str, weights: str, in_channels: int = 3) -> Pretrained:
    """Reads weights for a backbone.

    Args:
        backbone: a row of tables.TABLES; any other backbone can read what this package
            exported itself.
        weights: path of a file, or `package:NAME`.
        in_channels: 3 for RGB, 2L for flow; see channels.fit for what fits. The order
            of colours stays the file's, which the backbone's normalisation follows.

    Returns:
        Variables for graft.graft to check, and what the file has besides.

    Raises:
        UsageError: no such file or package, unreadable, or for another network.
    """
    file = formats.read(source.locate(weights))
    layout, tree = _read(backbone, file, in_channels)
    params = channels.fit_first(
        backbone, tree.get("params", {}), in_channels, file.path
    )
    return Pretrained(
        variables={"params": params, "batch_stats": tree.get("batch_stats", {})},
        hidden=tree.get("hidden", {}),
        classifier=tree.get("classifier"),
        checksum=file.checksum,
        layout=layout,
    )


def _read(
    backbone: str, file: formats.WeightFile, in_channels: int
) -> tuple[str, dict[str, Any]]:
    """The layout of a file and its collections."""
    if own.matches(file.tensors):
        return own.LAYOUT, own.choose(file, in_channels)
    for table in tables.TABLES.get(backbone, ()):
        if not assign.unknown(table, file.tensors):
            return table.layout, assign.convert(table, file.tensors, file.path)
    raise UsageError(f"{file.path}: {_why_not(backbone, file)}")


def _why_not(backbone: str, file: formats.WeightFile) -> str:
    """Why no table of a backbone reads a file, and which other backbone's does."""
    for other, known in tables.TABLES.items():
        for table in known:
            if not assign.unknown(table, file.tensors):
                return (
                    f"does not fit {backbone}; its names are those of {other} "
                    f"({table.layout}): set model.backbone = '{other}' if it is that"
                )
    if backbone not in tables.TABLES:
        known_names = ", ".join(tables.TABLES)
        return (
            f"{backbone} reads only what stpn_jax exported; other files can be read "
            f"for {known_names}"
        )
    fewest = min(
        (assign.unknown(table, file.tensors) for table in tables.TABLES[backbone]),
        key=len,
    )
    return (
        f"{assign.some(fewest)} belong to no layer of {backbone}; is it a file for "
        "another network? python -m stpn_jax.weights inspect FILE tells"
    )
