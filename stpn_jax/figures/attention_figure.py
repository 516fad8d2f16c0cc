"""The attention figure: frames, the attention over them, the flow beside it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from stpn_jax.figures import images, style

_COLUMNS = 2
_GAP_INCHES, _TITLE_INCHES, _LEGEND_INCHES, _MARGIN_INCHES = 0.12, 0.22, 0.85, 0.08
_ARROWS = 9  # across a frame
_SHORTEST = 0.15  # of the limit: shorter arrows are left out


class Clip(NamedTuple):
    """One clip.

    Attributes:
        title: such as its class.
        name: of the clip.
        frame: RGB.
        attention: over the grid of the crop.
        crop: in pixels of the frame: y0 x0 y1 x1.
        flow: from the frame to the next one, in pixels.
        boxes: to mark, as shares of the frame: y0 x0 y1 x1.
    """

    title: str
    name: str
    frame: UInt8[np.ndarray, "y x 3"]
    attention: Float[np.ndarray, "h w"]
    crop: tuple[int, int, int, int]
    flow: Float[np.ndarray, "y x 2"]
    boxes: Sequence[tuple[float, float, float, float]] = ()


def draw(clips: Sequence[Clip], limit: float) -> Figure:
    """Two clips a line, each as frame, attention and flow with arrows; legends below.

    Args:
        clips: at least one, all with frames of one size.
        limit: displacement in pixels from which on the colour is fully saturated.
    """
    strips = []
    for clip in clips:
        overlaid = images.overlay(clip.frame, clip.attention, clip.crop)
        flow = images.flow_colours(clip.flow, limit)
        strips.append(images.tile(np.stack((clip.frame, overlaid, flow)), 3))
    rows = math.ceil(len(clips) / _COLUMNS)
    width = (style.WIDTH - 2 * _MARGIN_INCHES - _GAP_INCHES) / _COLUMNS
    height = width * strips[0].shape[0] / strips[0].shape[1]
    step = height + _TITLE_INCHES
    page = step * rows + _LEGEND_INCHES + _MARGIN_INCHES
    figure = style.new(page, layout=None)
    for index, (clip, strip) in enumerate(zip(clips, strips, strict=True)):
        row, column = divmod(index, _COLUMNS)
        left = _MARGIN_INCHES + column * (width + _GAP_INCHES)
        axes = _add_axes(figure, left, page - (row + 1) * step, width, height)
        axes.imshow(strip)
        _annotate(axes, clip, limit)
    _draw_legend(figure, limit)
    return figure


def _add_axes(
    figure: Figure, left: float, bottom: float, width: float, height: float
) -> Axes:
    """Axes at a place in inches."""
    x, y = figure.get_size_inches()
    return figure.add_axes((left / x, bottom / y, width / x, height / y))


def _annotate(axes: Axes, clip: Clip, limit: float) -> None:
    """The title, boxes over the attention, arrows over the flow."""
    axes.set_axis_off()
    style.title(axes, clip.title, 48, size=style.SMALL, pad=3)
    height, width = clip.frame.shape[:2]
    step = width + images.GAP
    outline: Any = {"fill": False, "edgecolor": "#00ffff", "linewidth": 1}
    for y0, x0, y1, x1 in clip.boxes:
        corner = (step + x0 * width - 0.5, y0 * height - 0.5)
        size = ((x1 - x0) * width, (y1 - y0) * height)
        axes.add_patch(patches.Rectangle(corner, *size, **outline))
    _draw_arrows(axes, clip.flow, 2 * step, limit)


def _draw_arrows(
    axes: Axes, flow: Float[np.ndarray, "y x 2"], left: int, limit: float
) -> None:
    """Arrows in black, since not everybody can distinguish directions by hue."""
    height, width = flow.shape[:2]
    spacing = width / _ARROWS
    y = np.arange(spacing / 2, height, spacing).astype(int)
    x = np.arange(spacing / 2, width, spacing).astype(int)
    u = flow[np.ix_(y, x)] / limit
    lengths = np.linalg.norm(u, axis=-1)
    u = u / np.maximum(lengths, 1)[..., None] * spacing
    rows, columns = np.nonzero(lengths > _SHORTEST)
    if not len(rows):
        x0, y0 = left + width / 2, height / 2
        axes.text(x0, y0, "hardly any motion", fontsize=style.SMALL, ha="center")
        return
    in_pixels: Any = {"angles": "xy", "scale_units": "xy", "scale": 1}
    shape: Any = {"width": 0.004, "headwidth": 4, "color": "black"}
    ends = u[rows, columns].T
    axes.quiver(left + x[columns], y[rows], *ends, **in_pixels, **shape)


def _draw_legend(figure: Figure, limit: float) -> None:
    scale = _add_axes(figure, 0.3, 0.42, 1.5, 0.12)
    colours = ScalarMappable(cmap=matplotlib.colormaps["inferno"])
    bar = figure.colorbar(colours, cax=scale, orientation="horizontal")
    bar.set_ticks([0, 1], labels=["none", "strongest cell"])
    scale.tick_params(labelsize=style.SMALL, length=2)
    style.title(scale, "attention", 48, size=style.SMALL, pad=3)
    wheel = _add_axes(figure, 3.0, 0.1, 0.6, 0.6)
    wheel.imshow(images.colour_wheel(151))
    wheel.set_axis_off()
    text = (
        "flow to the next frame: hue and arrows are its direction,\n"
        f"white is rest, {limit:.1f} pixels or more have the full colour"
    )
    x, y = 3.75 / figure.get_figwidth(), 0.4 / figure.get_figheight()
    figure.text(x, y, text, fontsize=style.SMALL, va="center")
