"""Charts of numbers: curves over steps, dots by name, scatter plots of features."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import style


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

    Curves look the same in all panels where they have the same index.
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
        colour, marker = style.series(index)
        axes.plot(
            steps,
            values,
            label=style.short(name, 24),
            color=colour,
            marker=marker,
            markevery=max(1, len(steps) // 12),
            markersize=4,
            linewidth=1.2,
            linestyle=("-", "--", "-.")[index % 3],
            clip_on=False,
            zorder=3,
        )
    style.simplify(axes)
    axes.margins(y=0.08)
    axes.set_ylim(0, panel.end)
    style.title(axes, panel.title, 40)
    axes.set_xlabel("step", fontsize=style.SMALL)
    axes.set_ylabel(panel.quantity, fontsize=style.SMALL)


class Series(NamedTuple):
    """Dots of one kind.

    Attributes:
        name: in the legend.
        values: one for each name of the chart; NaN is left out.
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
    colour, marker = style.series(index)
    axes.errorbar(
        values,
        heights,
        xerr=errors,
        label=style.short(one.name, 48),
        color=colour,
        marker=marker,
        markersize=4.5,
        linestyle="none",
        elinewidth=1,
        capsize=2,
        clip_on=False,
        zorder=3,
    )


def scatter(
    planes: Mapping[str, Float[np.ndarray, "n 2"]],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
) -> Figure:
    """The same videos on several planes, coloured by class, with one legend below.

    Args:
        planes: up to three sets of points by title.
        labels: class of each point.
        classes: names by label; those without a point are left out.
    """
    shown, columns = np.unique(labels).tolist(), 4
    figure = style.new(2.4 + 0.17 * math.ceil(len(shown) / columns) + 0.3)
    grid = figure.subplots(1, max(3, len(planes)), squeeze=False)[0]
    for axes in grid[len(planes) :]:
        axes.remove()
    for axes, (title, points) in zip(grid, planes.items(), strict=False):
        for index, label in enumerate(shown):
            colour, marker = style.series(index)
            axes.scatter(
                *points[labels == label].T,
                s=16,
                color=colour,
                marker=marker,
                linewidths=0,
                alpha=0.85,
                label=style.short(classes[label], 24),
            )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.margins(0.06)
        style.title(axes, title, 34, loc="center")
    style.legend(figure, grid[:1], columns, below=True)
    return figure
