"""The confusion matrix, each row as shares of its class."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import figures

_WITH_COUNTS = 20  # classes, at most, whose cells hold numbers
_CELL, _CLOSE_CELL, _SMALLEST = 0.29, 0.135, 2.2  # inches of a cell, of the matrix
_LETTER_INCHES = 0.075
_REST_INCHES = 1.1  # of the axis titles and the scale of colours
_LETTERS = 22


def draw(counts: Int[np.ndarray, "n n"], names: Sequence[str]) -> Figure:
    """Truth down, answer across; the figure is as wide as its names need.

    Args:
        counts: of videos, true class by predicted class.
        names: of the classes.
    """
    labels = [figures.short(name, _LETTERS) for name in names]
    cell = _CELL if len(names) <= _WITH_COUNTS else _CLOSE_CELL
    cell = max(cell, _SMALLEST / len(names))
    side = cell * len(names) + _LETTER_INCHES * max(map(len, labels))
    figure = figures.new(side + 0.5, max(side + _REST_INCHES, 3.6))
    axes = figure.add_subplot()
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals, counts / np.maximum(totals, 1), np.nan)
    colours = matplotlib.colormaps["cividis"].with_extremes(bad="#ffffff")
    image = axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    places = range(len(names))
    axes.set_xticks(places, labels, rotation=90, parse_math=False)
    axes.set_yticks(places, labels, parse_math=False)
    axes.tick_params(labelsize=figures.SMALL, length=0)
    axes.set_xlabel("answer", fontsize=figures.MEDIUM)
    axes.set_ylabel("truth", fontsize=figures.MEDIUM)
    if len(names) <= _WITH_COUNTS:
        _write(axes, counts, shares)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=25)
    bar.set_label("share of the class", fontsize=figures.SMALL)
    bar.ax.tick_params(labelsize=figures.SMALL)
    return figure


def _write(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for y, x in np.argwhere(counts):
        colour = "black" if shares[y, x] > 0.5 else "white"
        text = str(counts[y, x])
        axes.text(
            x, y, text, fontsize=figures.SMALL, color=colour, ha="center", va="center"
        )
