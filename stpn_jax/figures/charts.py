"""Charts of numbers: curves, dots by name, scatter plots, confusion matrices."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import style

_IN_FRONT: Any = {"clip_on": False, "zorder": 3}
"""Marks at the end of an axis are whole and hide its line."""


class Curve(NamedTuple):
    """A line: its name in the legend, steps and a value at each of them."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]


class Panel(NamedTuple):
    """Axes with curves; the y axis begins at zero and ends at `end`, if given."""

    title: str
    quantity: str
    curves: Sequence[Curve]
    end: float | None = None


def curves(rows: Sequence[Sequence[Panel]]) -> Figure:
    """A grid of panels, each with at least one curve that is not empty.

    Curves of the same index have the same style in all panels.
    """
    figure = style.new(1.9 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes_of_row, panels in zip(grid, rows, strict=True):
        for axes, panel in zip(axes_of_row, panels, strict=True):
            _draw_panel(axes, panel)
    style.legend(figure, grid.flat, columns=4)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for index, (name, steps, values) in enumerate(panel.curves):
        options: Any = style.series(index) | _IN_FRONT
        (line,) = axes.plot(steps, values, label=style.short(name, 24), **options)
        line.set(markevery=max(1, len(steps) // 12), markersize=4)
        line.set(linestyle=("-", "--", "-.")[index % 3], linewidth=1.2)
    style.simplify(axes)
    axes.margins(y=0.08)
    axes.set_ylim(0, panel.end)
    style.title(axes, panel.title, 40)
    axes.set_xlabel("step", fontsize=style.SMALL)
    axes.set_ylabel(panel.quantity, fontsize=style.SMALL)


class Series(NamedTuple):
    """Dots of one kind, one for each name of the chart (NaN for none).

    Attributes:
        name: in the legend.
        values: where the dots are.
        low: lower ends of the intervals; empty for none.
        high: upper ends of the intervals; empty for none.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


_FULL_COLUMN = 40  # names; longer lists are set in two columns
_LINE_INCHES, _SERIES_INCHES, _CLOSE_LINE_INCHES = 0.14, 0.11, 0.3
_AXIS_INCHES, _LEGEND_INCHES = 0.85, 0.18
_SPREAD = 0.72  # share of a line's height that its dots take


def dots(
    names: Sequence[str],
    series: Sequence[Series],
    quantity: str,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """A line for each name, from top to bottom, with a dot for each series.

    Args:
        names: of the lines; long ones are shortened.
        series: with a value for each name.
        quantity: title of the x axis.
        limits: of the x axis; by default those of the data, with a line at zero.
    """
    count = 1 if len(names) <= _FULL_COLUMN else 2
    names = [style.short(name, 44 // count) for name in names]
    length = math.ceil(len(names) / count)
    line = _LINE_INCHES + _SERIES_INCHES * len(series)
    line = line if count == 1 else _CLOSE_LINE_INCHES
    legend = _LEGEND_INCHES * math.ceil(len(series) / 2)
    figure = style.new(line * length + _AXIS_INCHES + legend)
    columns = figure.subplots(1, count, squeeze=False, sharex=True)[0]
    for start, axes in zip(range(0, len(names), length), columns, strict=True):
        part = slice(start, start + length)
        cut = [Series(one.name, *(v[part] for v in one[1:])) for one in series]
        _draw_column(axes, names[part], cut, length)
        axes.set_xlabel(quantity, fontsize=style.SMALL)
        if limits:
            axes.set_xlim(*limits)
        else:
            axes.axvline(0, color=style.FAINT, linewidth=1)
    style.legend(figure, columns[:1], columns=2)
    return figure


def _draw_column(
    axes: Axes, names: Sequence[str], series: Sequence[Series], length: int
) -> None:
    lines = np.arange(len(names))
    offsets = (np.arange(len(series)) - (len(series) - 1) / 2) * _SPREAD / len(series)
    for index, (one, offset) in enumerate(zip(series, offsets, strict=True)):
        _draw_dots(axes, one, lines + offset, index)
    style.simplify(axes, "x")
    across = axes.get_yaxis_transform()
    axes.hlines(lines[:-1] + 0.5, 0, 1, style.GRID, linewidth=0.4, transform=across)
    axes.set_yticks(lines, names, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(length - 0.5, -0.5)


def _draw_dots(
    axes: Axes, one: Series, heights: Float[np.ndarray, "n"], index: int
) -> None:
    values, errors = np.asarray(one.values, float), None
    if len(one.low):
        ends = np.array([values - one.low, np.asarray(one.high) - values])
        errors = np.maximum(ends, 0)
    options: Any = {"xerr": errors, "elinewidth": 1, "capsize": 2, "markersize": 4.5}
    options |= {"linestyle": "none"} | style.series(index) | _IN_FRONT
    axes.errorbar(values, heights, label=style.short(one.name, 48), **options)


def scatter(
    planes: Mapping[str, Float[np.ndarray, "n 2"]],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
) -> Figure:
    """The same videos on up to three planes, by title, and one legend of classes below.

    Classes without a point are left out.
    """
    shown, columns = np.unique(labels).tolist(), 4
    figure = style.new(2.4 + 0.17 * math.ceil(len(shown) / columns) + 0.3)
    grid = figure.subplots(1, max(3, len(planes)), squeeze=False)[0]
    for axes in grid[len(planes) :]:
        axes.remove()
    for axes, (title, points) in zip(grid, planes.items(), strict=False):
        for index, label in enumerate(shown):
            options: Any = {"s": 16, "linewidths": 0, "alpha": 0.85}
            options |= style.series(index) | {"label": style.short(classes[label], 24)}
            axes.scatter(*points[labels == label].T, **options)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.margins(0.06)
        style.title(axes, title, 34, loc="center")
    style.legend(figure, grid[:1], columns, below=True)
    return figure


_WITH_COUNTS = 20  # classes, at most, whose cells hold numbers
_CELL_INCHES, _CLOSE_CELL_INCHES, _SMALLEST_INCHES = 0.29, 0.135, 2.2
_LETTER_INCHES, _SCALE_INCHES = 0.075, 1.1


def confusion_matrix(counts: Int[np.ndarray, "n n"], names: Sequence[str]) -> Figure:
    """Shares of each true class (rows) by predicted class (columns) of video counts."""
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
    axes.set_xlabel("prediction", fontsize=style.MEDIUM)
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
