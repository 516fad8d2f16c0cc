"""A sheet of clips: frames, the flow below them, and what each clip is."""

import io
import itertools
import textwrap
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure
from matplotlib.text import Text

from stpn_jax.figures import flow_wheel

_GAP = 2  # white pixels between images
_ROW_INCHES, _TEXT_INCHES, _HEAD_INCHES = 1.7, 2.5, 1.2
_MARGIN_INCHES = 0.1
_NARROWEST_INCHES = 4.5  # of the images: the head stands above them
_SMALLEST, _DPI = 3.0, 120  # points of a letter; dots of an inch
_WRAP = 36  # letters of a line of details
_DIRECTIONS = {
    "right": (1.1, 0.0, "left", "center"),
    "left": (-1.1, 0.0, "right", "center"),
    "down": (0.0, 1.1, "center", "top"),
    "up": (0.0, -1.1, "center", "bottom"),
}
"""Motion -> its place beside the wheel and the alignment there."""


class Row(NamedTuple):
    """One clip.

    Attributes:
        title: in bold, such as the class.
        details: texts below it, wrapped where they are long.
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
        rows: clips, all of one size and with as many frames.
        limit: length of a displacement in pixels that has the full colour.
    """
    strips = [_strip(row) for row in rows]
    height, width = strips[0].shape[:2]
    images = max(_NARROWEST_INCHES, _ROW_INCHES * width / height)
    page = (
        _TEXT_INCHES + images + 2 * _MARGIN_INCHES,
        _HEAD_INCHES + _ROW_INCHES * len(rows) + 2 * _MARGIN_INCHES,
    )
    figure = Figure(figsize=page, dpi=_DPI)
    backend_agg.FigureCanvasAgg(figure)
    x, y = (_MARGIN_INCHES / inches for inches in page)
    figure.subplots_adjust(x, y, 1 - x, 1 - y, wspace=0, hspace=0.06)
    grid = figure.subplots(
        len(rows) + 1,
        2,
        height_ratios=[_HEAD_INCHES] + [_ROW_INCHES] * len(rows),
        width_ratios=[_TEXT_INCHES, images],
    ).tolist()
    for axes in itertools.chain(*grid):
        axes.set_axis_off()
    _head(grid[0], title, limit)
    for (text, image), row, strip in zip(grid[1:], rows, strips, strict=True):
        _describe(text, row)
        image.imshow(strip, aspect="equal")
        image.set_anchor("W")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # Drawn as a box, which is enough.
        figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def _strip(row: Row) -> UInt8[np.ndarray, "y x 3"]:
    """Frames side by side, each with its flow below."""
    images = [np.concatenate(pair) for pair in zip(row.frames, row.flow, strict=True)]
    gap = np.full((images[0].shape[0], _GAP, 3), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _head(axes: Sequence[Axes], title: str, limit: float) -> None:
    left, right = axes
    left.text(0, 0.5, title, fontsize=11, weight="bold", va="center", parse_math=False)
    right.imshow(flow_wheel.wheel(301), extent=(-1, 1, 1, -1))
    right.set_xlim(-1.9, 7.5)
    right.set_ylim(1.5, -1.5)
    right.set_anchor("W")
    for name, (x, y, horizontal, vertical) in _DIRECTIONS.items():
        right.text(x, y, name, fontsize=8, ha=horizontal, va=vertical)
    right.text(
        2.4,
        0,
        "Below each frame, the flow to the next:\n"
        "hue is direction, white is rest, and\n"
        f"{limit:.1f} pixels or more have the full colour.",
        fontsize=9,
        va="center",
    )


def _describe(axes: Axes, row: Row) -> None:
    lines = [line for text in row.details for line in textwrap.wrap(text, _WRAP)]
    title = axes.text(0, 0.95, row.title, weight="bold", va="top", parse_math=False)
    details = axes.text(0, 0.8, "\n".join(lines[:8]), va="top", parse_math=False)
    _fit(title, 10.0, axes)
    _fit(details, 7.5, axes)


def _fit(text: Text, size: float, axes: Axes) -> None:
    """Sets a text in this size in points, or smaller where it is too wide for that."""
    room = axes.get_window_extent().width
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        for shrunk in np.geomspace(size, _SMALLEST, 12):
            text.set_fontsize(shrunk)
            # Letters snap to dots: a width does not follow from that at another size.
            if text.get_window_extent().width <= room:
                return
