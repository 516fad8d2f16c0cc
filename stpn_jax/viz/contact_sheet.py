"""A sheet of clips: frames, the flow below them, and what each clip is."""

import io
import itertools
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from stpn_jax.viz import flow_wheel

_GAP = 2  # white pixels between images
_ROW_INCHES, _TEXT_INCHES = 1.5, 2.4
_TITLE_LENGTH = 24


class Row(NamedTuple):
    """One clip.

    Attributes:
        title: in bold, such as the class.
        details: lines below it.
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
        title: of the sheet.
        rows: clips, all of one size and with as many frames.
        limit: length of a displacement in pixels that has the full colour.
    """
    strips = [_strip(row) for row in rows]
    height, width = strips[0].shape[:2]
    picture_inches = _ROW_INCHES * width / height
    size = (_TEXT_INCHES + picture_inches, _ROW_INCHES * (len(rows) + 0.6))
    figure = Figure(figsize=size)
    backend_agg.FigureCanvasAgg(figure)
    figure.subplots_adjust(0.01, 0.005, 0.99, 0.995, wspace=0, hspace=0.06)
    grid = figure.subplots(
        len(rows) + 1,
        2,
        height_ratios=[0.6] + [1] * len(rows),
        width_ratios=[_TEXT_INCHES, picture_inches],
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
        figure.savefig(buffer, format="png", dpi=110)
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
    right.imshow(flow_wheel.wheel(101))
    right.set_anchor("W")
    right.text(
        108,
        50,
        "flow from a frame to the next: rest is white,\n"
        f"{limit:.1f} pixels or more have the full colour",
        fontsize=9,
        va="center",
    )


def _describe(axes: Axes, row: Row) -> None:
    title, length = row.title, _TITLE_LENGTH
    title = title if len(title) <= length else title[: length - 3] + "..."
    axes.text(0, 0.95, title, fontsize=10, weight="bold", va="top", parse_math=False)
    details = "\n".join(row.details)
    axes.text(0, 0.8, details, fontsize=7.5, va="top", parse_math=False, clip_on=True)
