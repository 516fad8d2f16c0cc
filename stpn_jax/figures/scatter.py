"""Points on a plane, coloured and marked by class, in panels side by side."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from stpn_jax.figures import figures

_PANEL_INCHES, _LINE_INCHES, _COLUMNS = 2.4, 0.17, 4


class Panel(NamedTuple):
    """One plane of points."""

    title: str
    points: Float[np.ndarray, "n 2"]


def draw(
    panels: Sequence[Panel], labels: Int[np.ndarray, "n"], classes: Sequence[str]
) -> Figure:
    """The same videos in every panel, one legend below.

    Args:
        panels: up to three.
        labels: class of each point.
        classes: names by label; those without a point are left out.
    """
    shown = [int(label) for label in np.unique(labels)]
    lines = math.ceil(len(shown) / _COLUMNS)
    figure = figures.new(_PANEL_INCHES + _LINE_INCHES * lines + 0.3)
    grid = figure.subplots(1, max(3, len(panels)), squeeze=False)[0]
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid, panels, strict=False):
        for place, label in enumerate(shown):
            own = panel.points[labels == label]
            colour, mark = style(place)
            axes.scatter(
                *own.T,
                s=16,
                color=colour,
                marker=mark,
                linewidths=0,
                alpha=0.85,
                label=figures.short(classes[label], 24),
            )
        axes.set_xticks([])
        axes.set_yticks([])
        axes.margins(0.06)
        axes.set_title(figures.short(panel.title, 34), fontsize=figures.MEDIUM)
    figures.legend(figure, grid[:1], _COLUMNS, below=True)
    return figure


def style(place: int) -> tuple[str, str]:
    """Colour and mark of a class: no two of seventy share both."""
    colours, marks = figures.COLOURS, figures.MARKS
    return colours[place % len(colours)], marks[place % len(marks)]
