"""Images made of arrays: attention over a frame, flow as colours, tiles, videos."""

import fractions
import itertools
import math
from collections.abc import Iterable
from typing import cast

import av
import matplotlib
import matplotlib.colors
import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

GAP = 2
"""White pixels between tiled images."""

_STRENGTH = 0.6  # of the tint at the strongest cell

_CODECS = ("libx264", "mpeg4")
"""In order of preference: all browsers play H.264, but not every FFmpeg encodes it."""

_LARGEST_DENOMINATOR = 1000
"""Of the frame rate; FFmpeg's MPEG-4 encoder allows no finer time base."""


def overlay(
    frame: UInt8[np.ndarray, "y x 3"],
    attention: Float[np.ndarray, "h w"],
    box: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "y x 3"]:
    """Tints a frame by its attention; what is outside of the crop turns grey.

    The tint is relative to the strongest cell, so a uniform map shows as a uniform
    tint and the pixel values do not depend on the size of the grid.

    Args:
        frame: RGB.
        attention: weights over the grid of the crop, mirrored back if it was mirrored.
        box: the crop in pixels of the frame: y0 x0 y1 x1.
    """
    y0, x0, y1, x1 = box
    weight = resize(attention / max(attention.max(), 1e-12), (y1 - y0, x1 - x0))
    colour = matplotlib.colormaps["inferno"](weight)[..., :3] * 255
    grey = frame.mean(-1, keepdims=True)
    picture = np.repeat(0.6 * grey, 3, axis=-1)
    crop = 0.5 * (frame + grey)[y0:y1, x0:x1]
    strength = _STRENGTH * weight[..., None]
    picture[y0:y1, x0:x1] = (1 - strength) * crop + strength * colour
    return np.clip(picture, 0, 255).astype(np.uint8)


def resize(
    values: Float[np.ndarray, "h w"], size: tuple[int, int]
) -> Float[np.ndarray, "y x"]:
    """Bilinear resizing with half-pixel centres and repeated edges."""
    rows, columns = map(_interpolation, values.shape, size)
    return rows @ values @ columns.T


def _interpolation(length: int, target: int) -> Float[np.ndarray, "target length"]:
    """The matrix of linear interpolation from `length` to `target` values."""
    places = (np.arange(target) + 0.5) * length / target - 0.5
    places = np.clip(places, 0, length - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length)))


def flow_colours(
    flow: Float[np.ndarray, "*n y x 2"], limit: float
) -> UInt8[np.ndarray, "*n y x 3"]:
    """Optical flow as colours: the hue is its direction, the saturation its length.

    White is no motion; red is to the right, then yellow, green, blue going clockwise.

    Args:
        flow: displacement in pixels, x to the right first, then y downwards.
        limit: displacement in pixels from which on the colour is fully saturated.
    """
    x, y = np.moveaxis(flow, -1, 0)
    hue = np.arctan2(y, x) / (2 * np.pi) % 1
    saturation = np.clip(np.hypot(x, y) / limit, 0, 1)
    hsv = np.stack([hue, saturation, np.ones_like(hue)], axis=-1)
    return np.round(255 * matplotlib.colors.hsv_to_rgb(hsv)).astype(np.uint8)


def colour_wheel(side: int) -> UInt8[np.ndarray, "side side 3"]:
    """The legend of `flow_colours`: every direction, white outside of the circle."""
    places = np.linspace(-1, 1, side)
    flow = np.stack(np.meshgrid(places, places), axis=-1)
    outside = np.hypot(*np.moveaxis(flow, -1, 0)) > 1
    return np.where(outside[..., None], np.uint8(255), flow_colours(flow, 1.0))


def tile(
    images: UInt8[np.ndarray, "n y x 3"], columns: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Images in reading order with white gaps between them."""
    count, height, width, _ = images.shape
    rows = math.ceil(count / columns)
    step_y, step_x = height + GAP, width + GAP
    sheet = np.full((rows * step_y - GAP, columns * step_x - GAP, 3), 255, np.uint8)
    for index, image in enumerate(images):
        y, x = index // columns * step_y, index % columns * step_x
        sheet[y : y + height, x : x + width] = image
    return sheet


def write_video(
    path: epath.PathLike, frames: Iterable[UInt8[np.ndarray, "y x 3"]], rate: float
) -> None:
    """Encodes frames as they come as an .mp4 file that browsers play.

    Args:
        path: of the file.
        frames: RGB, at least one; all of the size of the first. An odd last row or
            column of pixels is cropped.
        rate: frames a second.
    """
    codec = next(name for name in _CODECS if name in av.codecs_available)
    frames = iter(frames)
    first = next(frames)
    with av.open(str(path), "w", format="mp4") as container:
        exact = fractions.Fraction(rate).limit_denominator(_LARGEST_DENOMINATOR)
        stream = cast(av.VideoStream, container.add_stream(codec, rate=exact))
        stream.height, stream.width = (side // 2 * 2 for side in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        for pixels in itertools.chain([first], frames):
            even = np.ascontiguousarray(pixels[: stream.height, : stream.width])
            image = av.VideoFrame.from_ndarray(even, "rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
