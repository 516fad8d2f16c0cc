"""Figures of errors: the confusion matrix, and clips with what two networks predict."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import images, prediction_figure, style

_WITH_COUNTS = 20  # classes, at most, whose cells hold numbers
_CELL_INCHES, _CLOSE_CELL_INCHES, _SMALLEST_INCHES = 0.29, 0.135, 2.2
_LETTER_INCHES, _SCALE_INCHES = 0.075, 1.1


def confusion_matrix(counts: Int[np.ndarray, "n n"], names: Sequence[str]) -> Figure:
    """Shares of each true class (rows) by predicted class (columns).

    Args:
        counts: of videos, true class by predicted class.
        names: of the classes.
    """
    labels = [style.short(name, 22) for name in names]
    cell = _CELL_INCHES if len(names) <= _WITH_COUNTS else _CLOSE_CELL_INCHES
    cell = max(cell, _SMALLEST_INCHES / len(names))
    side = cell * len(names) + _LETTER_INCHES * max(map(len, labels))
    figure = style.new(side + 0.5, max(side + _SCALE_INCHES, 3.6))
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals, counts / np.maximum(totals, 1), np.nan)
    colours = matplotlib.colormaps["cividis"].with_extremes(bad="#ffffff")
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), labels, rotation=90, parse_math=False)
    axes.set_yticks(range(len(names)), labels, parse_math=False)
    axes.tick_params(labelsize=style.SMALL, length=0)
    axes.set_xlabel("answer", fontsize=style.MEDIUM)
    axes.set_ylabel("truth", fontsize=style.MEDIUM)
    if len(names) <= _WITH_COUNTS:
        _write_counts(axes, counts, shares)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=25)
    bar.set_label("share of the class", fontsize=style.SMALL)
    bar.ax.tick_params(labelsize=style.SMALL)
    return figure


def _write_counts(
    axes: Axes, counts: Int[np.ndarray, "n n"], shares: Float[np.ndarray, "n n"]
) -> None:
    centred: Any = {"ha": "center", "va": "center", "fontsize": style.SMALL}
    for y, x in np.argwhere(counts):
        colour = "black" if shares[y, x] > 0.5 else "white"
        axes.text(x, y, str(counts[y, x]), color=colour, **centred)


class Case(NamedTuple):
    """A clip and its predictions.

    Attributes:
        truth: its class.
        frames: some of its frames, RGB.
        predictions: of each network, the most likely classes and their probabilities.
    """

    truth: str
    frames: UInt8[np.ndarray, "t y x 3"]
    predictions: Sequence[tuple[Sequence[str], Sequence[float]]]


def cases(networks: Sequence[str], clips: Sequence[Case]) -> Figure:
    """The paper's Figures 3 and 4: a row for each clip, frames left, bars right.

    Args:
        networks: names of those that made the predictions.
        clips: at least one.
    """
    figure = style.new(1.85 * len(clips) + 0.3)
    grid = figure.subplots(
        len(clips),
        1 + len(networks),
        squeeze=False,
        width_ratios=(1.3, *[1] * len(networks)),
    )
    for axes, name in zip(grid[0, 1:], networks, strict=True):
        head = "\n".join(textwrap.wrap(name, 34)[:2])
        axes.set_title(head, fontsize=style.SMALL, loc="left", parse_math=False)
    for (left, *right), clip in zip(grid, clips, strict=True):
        left.imshow(images.tile(clip.frames, 2))
        left.set_axis_off()
        left.set_anchor("W")
        style.title(left, clip.truth, 34, color=style.BLUE, weight="bold")
        for axes, (labels, probabilities) in zip(right, clip.predictions, strict=True):
            _draw_bars(axes, clip.truth, labels, probabilities)
    return figure


def _draw_bars(
    axes: Axes, truth: str, labels: Sequence[str], probabilities: Sequence[float]
) -> None:
    """Bars that distinguish right from wrong by a tick, the colour and hatching."""
    right = [label == truth for label in labels]
    shortened = [style.short(label, 22) for label in labels]
    prediction_figure.bars(
        axes,
        [n + " ✓" if ok else n for n, ok in zip(shortened, right, strict=True)],
        probabilities,
        colours=[style.GREEN if ok else style.VERMILLION for ok in right],
        hatches=["" if ok else "////" for ok in right],
        size=style.SMALL,
    )
