"""Horizontal bars of the most likely classes."""

from collections.abc import Sequence

import matplotlib.axes

BAR, FIRST_BAR, TEXT = "#9db4c8", "#2f6690", "#222222"


def draw(
    axes: matplotlib.axes.Axes,
    labels: Sequence[str],
    probabilities: Sequence[float],
    colours: Sequence[str] = (),
    hatches: Sequence[str] = (),
    size: float = 10.0,
) -> None:
    """Draws one bar a class, the first on top, with name and per cent beside it.

    Args:
        axes: filled by this picture alone.
        labels: class names, the most likely first.
        probabilities: their probabilities, from 0 to 1.
        colours: of the bars; by default the first one stands out.
        hatches: of the bars, or none.
        size: of the letters, in points.
    """
    rows = range(len(labels))
    colours = colours or [FIRST_BAR] + [BAR] * (len(labels) - 1)
    drawn = axes.barh(rows, probabilities, color=colours, height=0.45)
    for bar, hatch in zip(drawn, hatches, strict=False):
        bar.set(hatch=hatch, edgecolor="white", linewidth=0)
    for row, label, probability in zip(rows, labels, probabilities, strict=True):
        texts = (
            axes.text(0, row - 0.32, label),
            axes.text(1, row - 0.32, f"{probability:.1%}", ha="right"),
        )
        for text in texts:
            text.set(va="bottom", color=TEXT, fontsize=size, parse_math=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(labels) - 0.6, -0.8)
    axes.set_axis_off()
