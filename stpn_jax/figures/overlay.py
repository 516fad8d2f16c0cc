"""Attention laid over the frame that it looked at."""

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8

STRENGTH = 0.6


def blend(
    frame: UInt8[np.ndarray, "y x 3"],
    attention: Float[np.ndarray, "h w"],
    box: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "y x 3"]:
    """Tints a frame by its attention; what the network did not see turns grey.

    The tint is relative to the strongest cell, so a uniform map shows as a uniform
    tint and the pixel values do not depend on the size of the grid.

    Args:
        frame: RGB.
        attention: weights over the grid of the crop, mirrored back if it was mirrored.
        box: the crop in pixels of the frame: y0 x0 y1 x1.

    Returns:
        The tinted frame.
    """
    y0, x0, y1, x1 = box
    weight = resize(attention / max(attention.max(), 1e-12), (y1 - y0, x1 - x0))
    colour = matplotlib.colormaps["inferno"](weight)[..., :3] * 255
    grey = frame.mean(-1, keepdims=True)
    picture = np.repeat(0.6 * grey, 3, axis=-1)
    seen = 0.5 * (frame + grey)[y0:y1, x0:x1]
    strength = STRENGTH * weight[..., None]
    picture[y0:y1, x0:x1] = (1 - strength) * seen + strength * colour
    return np.clip(picture, 0, 255).astype(np.uint8)


def resize(
    values: Float[np.ndarray, "h w"], size: tuple[int, int]
) -> Float[np.ndarray, "y x"]:
    """Bilinear resizing with half-pixel centres and repeated edges.

    Args:
        values: any grid.
        size: rows and columns of the result.
    """
    rows, columns = map(_hats, values.shape, size)
    return rows @ values @ columns.T


def _hats(length: int, target: int) -> Float[np.ndarray, "target length"]:
    """Weights of linear interpolation, one row for each place of the result."""
    places = (np.arange(target) + 0.5) * length / target - 0.5
    places = np.clip(places, 0, length - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length)))
