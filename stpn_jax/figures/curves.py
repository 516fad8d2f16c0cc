"""Curves over training steps, in a grid of panels."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import figures

_PANEL_INCHES, _LEGEND_INCHES = 1.9, 0.3
_MARKED = 12  # marks along a curve, about


class Curve(NamedTuple):
    """A line: its name in the legend, steps and a value at each of them."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]


class Panel(NamedTuple):
    """One pair of axes that begins at zero, and may have a fixed end."""

    title: str
    quantity: str
    curves: Sequence[Curve]
    end: float | None = None


def draw(rows: Sequence[Sequence[Panel]]) -> Figure:
    """Panels in rows of equal length, each with a curve or more that has a point.

    Curves of one name look alike in all panels: they have the same place in each.
    """
    figure = figures.new(_PANEL_INCHES * len(rows) + _LEGEND_INCHES)
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes_of_row, panels in zip(grid, rows, strict=True):
        for axes, panel in zip(axes_of_row, panels, strict=True):
            _draw(axes, panel)
    figures.legend(figure, grid.flat, columns=4)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    for index, (name, steps, values) in enumerate(panel.curves):
        axes.plot(
            steps,
            values,
            label=figures.short(name, 24),
            color=figures.COLOURS[index % len(figures.COLOURS)],
            marker=figures.MARKS[index % len(figures.MARKS)],
            markevery=max(1, len(steps) // _MARKED),
            markersize=4,
            linewidth=1.2,
            linestyle=("-", "--", "-.")[index % 3],
            clip_on=False,
            zorder=3,
        )
    figures.plain(axes)
    axes.margins(y=0.08)
    axes.set_ylim(0, panel.end)
    axes.set_title(
        figures.short(panel.title, 40),
        loc="left",
        fontsize=figures.MEDIUM,
        parse_math=False,
    )
    axes.set_xlabel("step", fontsize=figures.SMALL)
    axes.set_ylabel(panel.quantity, fontsize=figures.SMALL)
