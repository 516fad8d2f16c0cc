"""How much of an attention map is inside of boxes, against their share of the area."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_POINTS = 32  # of a cell, across and down, that are looked up


class Share(NamedTuple):
    """Attention of one map.

    Attributes:
        mass: share of the attention inside of the boxes; what a cell has counts as
            spread evenly over it.
        area: share of the crop inside of them: the mass of an even map.
        most: the mass of a map that is all in its best cell.
        hit: whether any of the strongest cell is inside.
    """

    mass: float
    area: float
    most: float
    hit: bool


def share(
    attention: Float[np.ndarray, "h w"],
    boxes: Sequence[tuple[float, float, float, float]],
    crop: tuple[float, float, float, float],
) -> Share:
    """Compares a map with boxes.

    Args:
        attention: over the grid of the crop; sums to 1.
        boxes: y0 x0 y1 x1 as shares of the frame; what several cover counts once.
        crop: what the network saw, the same way.
    """
    cover = covered(boxes, crop, attention.shape)
    strongest = np.unravel_index(attention.argmax(), attention.shape)
    return Share(
        float((attention * cover).sum()),
        float(cover.mean()),
        float(cover.max()),
        bool(cover[strongest] > 0),
    )


def covered(
    boxes: Sequence[tuple[float, float, float, float]],
    crop: tuple[float, float, float, float],
    grid: tuple[int, int],
) -> Float[np.ndarray, "h w"]:
    """The share of every cell of the crop's grid that is inside of some box."""
    height, width = grid
    y = crop[0] + (crop[2] - crop[0]) * _centres(height * _POINTS)
    x = crop[1] + (crop[3] - crop[1]) * _centres(width * _POINTS)
    inside = np.zeros((len(y), len(x)), bool)
    for y0, x0, y1, x1 in boxes:
        inside |= np.outer((y0 <= y) & (y < y1), (x0 <= x) & (x < x1))
    return inside.reshape(height, _POINTS, width, _POINTS).mean(axis=(1, 3))


def _centres(count: int) -> Float[np.ndarray, "n"]:
    return (np.arange(count) + 0.5) / count
