"""A contact sheet of clips: frames, the flow below them, and what each clip is."""

import itertools
import textwrap
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.text import Text

from stpn_jax.figures import images, style

_ROW_INCHES, _TEXT_INCHES, _HEAD_INCHES, _MARGIN_INCHES = 1.7, 2.5, 1.2, 0.1
_NARROWEST_INCHES = 4.5  # of the images: the head stands above them
_SMALLEST = 3.0  # points of a letter
_DIRECTIONS = {
    "right": (1.1, 0.0, "left", "center"),
    "left": (-1.1, 0.0, "right", "center"),
    "down": (0.0, 1.1, "center", "top"),
    "up": (0.0, -1.1, "center", "bottom"),
}
"""Direction of motion -> its place beside the colour wheel and the text alignment."""


class Row(NamedTuple):
    """One clip.

    Attributes:
        title: in bold, such as the class.
        details: lines below the title; long ones are wrapped.
        frames: RGB.
        flow: the flow from each frame to the next one of its clip, as colours.
    """

    title: str
    details: tuple[str, ...]
    frames: UInt8[np.ndarray, "t y x 3"]
    flow: UInt8[np.ndarray, "t y x 3"]


def draw(title: str, rows: Sequence[Row], limit: float) -> bytes:
    """A PNG file with a clip in each row and the colour wheel at the top.

    Args:
        title: of the sheet, in lines of some 25 letters.
        rows: clips, all with the same number and size of frames.
        limit: displacement in pixels from which on the colour is fully saturated.
    """
    strips = [
        images.tile(np.concatenate((row.frames, row.flow), axis=1), len(row.frames))
        for row in rows
    ]
    height, width = strips[0].shape[:2]
    image_inches = max(_NARROWEST_INCHES, _ROW_INCHES * width / height)
    page_width = _TEXT_INCHES + image_inches + 2 * _MARGIN_INCHES
    page_height = _HEAD_INCHES + _ROW_INCHES * len(rows) + 2 * _MARGIN_INCHES
    figure = style.new(page_height, page_width, dpi=120, layout=None)
    x, y = _MARGIN_INCHES / page_width, _MARGIN_INCHES / page_height
    figure.subplots_adjust(x, y, 1 - x, 1 - y, wspace=0, hspace=0.06)
    sizes: Any = {"height_ratios": [_HEAD_INCHES] + [_ROW_INCHES] * len(rows)}
    sizes |= {"width_ratios": [_TEXT_INCHES, image_inches]}
    head, *grid = figure.subplots(len(rows) + 1, 2, **sizes).tolist()
    for axes in itertools.chain(head, *grid):
        axes.set_axis_off()
    _draw_head(head, title, limit)
    for (text, image), row, strip in zip(grid, rows, strips, strict=True):
        _describe(text, row)
        image.imshow(strip, aspect="equal")
        image.set_anchor("W")
    return style.png(figure)


def _draw_head(head: Sequence[Axes], title: str, limit: float) -> None:
    left, right = head
    left.text(0, 0.5, title, fontsize=11, weight="bold", va="center", parse_math=False)
    right.imshow(images.colour_wheel(301), extent=(-1, 1, 1, -1))
    right.set_xlim(-1.9, 7.5)
    right.set_ylim(1.5, -1.5)
    right.set_anchor("W")
    for name, (x, y, horizontal, vertical) in _DIRECTIONS.items():
        right.text(x, y, name, fontsize=8, ha=horizontal, va=vertical)
    legend = (
        "Below each frame, the flow to the next:\n"
        "hue is direction, white is rest, and\n"
        f"{limit:.1f} pixels or more have the full colour."
    )
    right.text(2.4, 0, legend, fontsize=9, va="center")


def _describe(axes: Axes, row: Row) -> None:
    lines = [line for text in row.details for line in textwrap.wrap(text, 36)]
    title = axes.text(0, 0.95, row.title, weight="bold", va="top", parse_math=False)
    details = axes.text(0, 0.8, "\n".join(lines[:8]), va="top", parse_math=False)
    _shrink(title, 10.0, axes)
    _shrink(details, 7.5, axes)


def _shrink(text: Text, size: float, axes: Axes) -> None:
    """Sets the largest size, up to this one in points, at which a text is not wider."""
    room = axes.get_window_extent().width
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        for points in np.geomspace(size, _SMALLEST, 12):
            text.set_fontsize(points)
            # Letters snap to pixels: a width does not follow from that at another size.
            if text.get_window_extent().width <= room:
                return
