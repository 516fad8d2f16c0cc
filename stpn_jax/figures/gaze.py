"""Where a network looks: frames, the attention over them, the flow beside it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from stpn_jax.figures import figures, flow_wheel, overlay, strips

_COLUMNS = 2
_GAP_INCHES, _TITLE_INCHES, _LEGEND_INCHES, _MARGIN_INCHES = 0.12, 0.22, 0.85, 0.08
_ARROWS = 9  # across a frame
_SHORTEST = 0.15  # of the limit: shorter arrows are left out
_BOX = "#00ffff"


class Look(NamedTuple):
    """One clip.

    Attributes:
        title: such as its class.
        name: of the clip.
        frame: RGB.
        attention: over the grid of the crop.
        crop: in pixels of the frame: y0 x0 y1 x1.
        flow: from the frame to the next one, in pixels.
        boxes: what is marked, as shares of the frame: y0 x0 y1 x1.
    """

    title: str
    name: str
    frame: UInt8[np.ndarray, "y x 3"]
    attention: Float[np.ndarray, "h w"]
    crop: tuple[int, int, int, int]
    flow: Float[np.ndarray, "y x 2"]
    boxes: Sequence[tuple[float, float, float, float]] = ()


def draw(looks: Sequence[Look], limit: float) -> Figure:
    """Clips two a line: frame, attention, flow with arrows; legends below.

    Args:
        looks: at least one, all of one size.
        limit: length of a displacement in pixels that has the full colour.
    """
    strip = _strip(looks[0], limit)
    rows = math.ceil(len(looks) / _COLUMNS)
    width = (figures.WIDTH - 2 * _MARGIN_INCHES - _GAP_INCHES) / _COLUMNS
    height = width * strip.shape[0] / strip.shape[1]
    step = height + _TITLE_INCHES
    page = step * rows + _LEGEND_INCHES + _MARGIN_INCHES
    figure = figures.new(page)
    figure.set_layout_engine("none")
    for index, look in enumerate(looks):
        row, column = divmod(index, _COLUMNS)
        left = _MARGIN_INCHES + column * (width + _GAP_INCHES)
        bottom = page - (row + 1) * step
        axes = _axes(figure, left, bottom, width, height)
        _show(axes, look, limit)
    _legend(figure, limit)
    return figure


def _axes(
    figure: Figure, left: float, bottom: float, width: float, height: float
) -> Axes:
    """Axes at a place in inches."""
    x, y = figure.get_size_inches()
    return figure.add_axes((left / x, bottom / y, width / x, height / y))


def _strip(look: Look, limit: float) -> UInt8[np.ndarray, "y x 3"]:
    images = (
        look.frame,
        overlay.blend(look.frame, look.attention, look.crop),
        flow_wheel.colours(look.flow, limit),
    )
    return strips.grid(np.stack(images), len(images))


def _show(axes: Axes, look: Look, limit: float) -> None:
    axes.imshow(_strip(look, limit))
    axes.set_axis_off()
    axes.set_title(
        figures.short(look.title, 48),
        loc="left",
        fontsize=figures.SMALL,
        pad=3,
        parse_math=False,
    )
    height, width = look.frame.shape[:2]
    step = width + strips.GAP
    for y0, x0, y1, x1 in look.boxes:
        place = (step + x0 * width - 0.5, y0 * height - 0.5)
        size = ((x1 - x0) * width, (y1 - y0) * height)
        axes.add_patch(
            patches.Rectangle(place, *size, fill=False, edgecolor=_BOX, linewidth=1)
        )
    _arrows(axes, look.flow, 2 * step, limit)


def _arrows(
    axes: Axes, flow: Float[np.ndarray, "y x 2"], left: int, limit: float
) -> None:
    """Arrows in black, since hues alone do not tell everybody the direction."""
    height, width = flow.shape[:2]
    spacing = width / _ARROWS
    y = np.arange(spacing / 2, height, spacing).astype(int)
    x = np.arange(spacing / 2, width, spacing).astype(int)
    u = flow[np.ix_(y, x)] / limit
    lengths = np.linalg.norm(u, axis=-1)
    u = u / np.maximum(lengths, 1)[..., None] * spacing
    rows, columns = np.nonzero(lengths > _SHORTEST)
    if not len(rows):
        axes.text(
            left + width / 2,
            height / 2,
            "hardly any motion",
            fontsize=figures.SMALL,
            ha="center",
        )
        return
    axes.quiver(
        left + x[columns],
        y[rows],
        *np.moveaxis(u[rows, columns], -1, 0),
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.004,
        headwidth=4,
        color="black",
    )


def _legend(figure: Figure, limit: float) -> None:
    scale = _axes(figure, 0.3, 0.42, 1.5, 0.12)
    bar = figure.colorbar(
        ScalarMappable(cmap=matplotlib.colormaps["inferno"]),
        cax=scale,
        orientation="horizontal",
    )
    bar.set_ticks([0, 1], labels=["none", "strongest cell"])
    scale.tick_params(labelsize=figures.SMALL, length=2)
    scale.set_title("attention", fontsize=figures.SMALL, loc="left", pad=3)
    wheel = _axes(figure, 3.0, 0.1, 0.6, 0.6)
    wheel.imshow(flow_wheel.wheel(151))
    wheel.set_axis_off()
    text = (
        "flow to the next frame: hue and arrows are its direction,\n"
        f"white is rest, {limit:.1f} pixels or more have the full colour"
    )
    figure.text(
        3.75 / figure.get_figwidth(),
        0.4 / figure.get_figheight(),
        text,
        fontsize=figures.SMALL,
        va="center",
    )
