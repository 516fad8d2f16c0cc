"""Horizontal bars of the most likely classes."""

from collections.abc import Sequence

import matplotlib.axes

BAR, FIRST_BAR, TEXT = "#9db4c8", "#2f6690", "#222222"


def draw(
    axes: matplotlib.axes.Axes, labels: Sequence[str], probabilities: Sequence[float]
) -> None:
    """Draws one bar a class, the first on top, with name and per cent beside it.

    Args:
        axes: filled by this picture alone.
        labels: class names, the most likely first.
        probabilities: their probabilities, from 0 to 1.
    """
    rows = range(len(labels))
    colours = [FIRST_BAR] + [BAR] * (len(labels) - 1)
    axes.barh(rows, probabilities, color=colours, height=0.45)
    for row, label, probability in zip(rows, labels, probabilities, strict=True):
        axes.text(0, row - 0.32, label, va="bottom", color=TEXT, parse_math=False)
        axes.text(
            1, row - 0.32, f"{probability:.1%}", va="bottom", ha="right", color=TEXT
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(len(labels) - 0.6, -0.8)
    axes.set_axis_off()
