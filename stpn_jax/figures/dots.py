"""Values of several series by name, as marks on lines: classes, groups or rows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import figures

_FULL_COLUMN = 40  # names: more are set in two columns
_LETTERS = 44  # of a name, or half as many in two columns
_SERIES_INCHES, _GAP_INCHES, _CLOSE_INCHES = 0.11, 0.14, 0.3
_ENDS_INCHES = 0.85  # of the axis' numbers and title, and of the legend's first line
_LEGEND_INCHES = 0.18
_SPREAD = 0.72  # of a line, over which the marks of its series stand


class Series(NamedTuple):
    """One kind of mark.

    Attributes:
        name: in the legend.
        values: for every name of the drawing; NaN where there is none.
        low: ends of their intervals, or nothing.
        high: the same.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def draw(
    names: Sequence[str],
    series: Sequence[Series],
    quantity: str,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """A line for each name with a mark of each series, the first on top.

    Args:
        names: shortened where they are long.
        series: with as many values as there are names.
        quantity: title of the axis.
        limits: of the axis; None for those of the data, with zero.
    """
    count = 1 if len(names) <= _FULL_COLUMN else 2
    names = [figures.short(name, _LETTERS // count) for name in names]
    length = math.ceil(len(names) / count)
    line = _SERIES_INCHES * len(series) + _GAP_INCHES if count == 1 else _CLOSE_INCHES
    legend_lines = math.ceil(len(series) / 2)
    height = line * length + _ENDS_INCHES + _LEGEND_INCHES * legend_lines
    figure = figures.new(height)
    columns = figure.subplots(1, count, squeeze=False, sharex=True)[0]
    for start, axes in zip(range(0, len(names), length), columns, strict=True):
        part = slice(start, start + length)
        _draw(axes, names[part], [_cut(one, part) for one in series], length)
        axes.set_xlabel(quantity, fontsize=figures.SMALL)
        if limits:
            axes.set_xlim(*limits)
        else:
            axes.axvline(0, color=figures.FAINT, linewidth=1)
    figures.legend(figure, columns[:1], columns=2)
    return figure


def _cut(series: Series, part: slice) -> Series:
    return Series(series.name, *(values[part] for values in series[1:]))


def _draw(
    axes: Axes, names: Sequence[str], series: Sequence[Series], length: int
) -> None:
    rows = np.arange(len(names))
    offsets = (np.arange(len(series)) - (len(series) - 1) / 2) * _SPREAD / len(series)
    for index, (one, offset) in enumerate(zip(series, offsets, strict=True)):
        _mark(axes, one, rows + offset, index)
    figures.plain(axes, "x")
    across = axes.get_yaxis_transform()
    axes.hlines(rows[:-1] + 0.5, 0, 1, figures.GRID, linewidth=0.4, transform=across)
    axes.set_yticks(rows, names, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(length - 0.5, -0.5)


def _mark(axes: Axes, one: Series, places: Float[np.ndarray, "n"], index: int) -> None:
    values = np.asarray(one.values, float)
    errors = None
    if len(one.low):
        ends = np.array([values - one.low, np.asarray(one.high) - values])
        errors = np.maximum(ends, 0)
    axes.errorbar(
        values,
        places,
        xerr=errors,
        label=figures.short(one.name, 48),
        color=figures.COLOURS[index % len(figures.COLOURS)],
        marker=figures.MARKS[index % len(figures.MARKS)],
        markersize=4.5,
        linestyle="none",
        elinewidth=1,
        capsize=2,
        clip_on=False,
        zorder=3,
    )
