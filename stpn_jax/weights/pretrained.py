"""Reads weight files of other programs and our own as variables of a backbone."""

import dataclasses
from typing import Any

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import assign, channels, formats, layouts, own, source

# Of a component of a network; sketches belong to the network as a whole.
COLLECTIONS = ("params", "batch_stats")


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """What a weight file holds for a backbone.

    Attributes:
        variables: {params, batch_stats} of the backbone; batch_stats may be empty.
        hidden: VGG's fc6 and fc7 if the file has them, each {kernel, bias}; fc6 sees
            a map flattened in the order y, x, c.
        classifier: kernel [c classes] and bias, or None if the file has none.
        checksum: SHA-256 of the file, hex.
        layout: name of the layout that matched the file's names.
    """

    variables: dict[str, Any]
    hidden: dict[str, Any]
    classifier: dict[str, Any] | None
    checksum: str
    layout: str


def load(backbone: str, weights: str, in_channels: int = 3) -> Pretrained:
    """Reads weights for a backbone, for assign.assign to check against a network.

    Args:
        backbone: a key of layouts.LAYOUTS; any other backbone can read what this
            package exported.
        weights: path of a file, or `package:NAME`.
        in_channels: 3 for RGB, 2L for flow; see channels.fit. The order of colours
            stays the file's, which the backbone's preprocessing follows.

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
    for layout in layouts.LAYOUTS.get(backbone, ()):
        if not layouts.unknown(layout, file.tensors):
            return layout.name, layouts.convert(layout, file.tensors, file.path)
    raise UsageError(f"{file.path}: {_mismatch(backbone, file)}")


def _mismatch(backbone: str, file: formats.WeightFile) -> str:
    """Why no layout of a backbone matches a file, and which other backbone's does."""
    unknown = {
        (other, layout.name): layouts.unknown(layout, file.tensors)
        for other, known in layouts.LAYOUTS.items()
        for layout in known
    }
    for (other, name), names in unknown.items():
        if not names:
            return (
                f"does not fit {backbone}; its names are those of {other} ({name}): "
                f"set model.backbone = '{other}' if that is the network you want"
            )
    if backbone not in layouts.LAYOUTS:
        return (
            f"{backbone} reads only what stpn_jax exported; other files can be read "
            f"for {', '.join(layouts.LAYOUTS)}"
        )
    fewest = min((unknown[key] for key in unknown if key[0] == backbone), key=len)
    return (
        f"{assign.first(fewest)} belong to no layer of {backbone}; is it a file for "
        "another network? Run: stpn weights inspect FILE"
    )
