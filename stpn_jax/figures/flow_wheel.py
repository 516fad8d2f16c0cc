"""Optical flow as colours: the hue is its direction, the saturation its length."""

import matplotlib.colors
import numpy as np
from jaxtyping import Float, UInt8


def colours(
    flow: Float[np.ndarray, "*n y x 2"], limit: float
) -> UInt8[np.ndarray, "*n y x 3"]:
    """White for rest; red to the right, then yellow, green, blue going clockwise.

    Args:
        flow: displacement in pixels, x to the right first, then y downwards.
        limit: length in pixels that has the full colour, as all above it.
    """
    x, y = np.moveaxis(flow, -1, 0)
    hue = np.arctan2(y, x) / (2 * np.pi) % 1
    saturation = np.clip(np.hypot(x, y) / limit, 0, 1)
    hsv = np.stack([hue, saturation, np.ones_like(hue)], axis=-1)
    return np.round(255 * matplotlib.colors.hsv_to_rgb(hsv)).astype(np.uint8)


def wheel(side: int) -> UInt8[np.ndarray, "side side 3"]:
    """The legend: every direction in its colour, white outside of the circle."""
    places = np.linspace(-1, 1, side)
    flow = np.stack(np.meshgrid(places, places), axis=-1)
    outside = np.hypot(*np.moveaxis(flow, -1, 0)) > 1
    return np.where(outside[..., None], np.uint8(255), colours(flow, 1.0))
