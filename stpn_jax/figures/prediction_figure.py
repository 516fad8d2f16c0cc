"""Figures of one prediction: class bars, its picture, a long video's timeline."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes

from stpn_jax.figures import style

_BAR, _FIRST_BAR = "#9db4c8", "#2f6690"
_LABEL_COLOURS = matplotlib.colormaps["tab20"]


def draw(
    title: str,
    labels: Sequence[str],
    probabilities: Sequence[float],
    image: UInt8[np.ndarray, "y x 3"],
) -> bytes:
    """A PNG file with the image on the left and bars of the classes on the right.

    Args:
        title: of the image; a long one is shortened.
        labels: class names, the most likely first.
        probabilities: of those classes, from 0 to 1.
        image: RGB.
    """
    figure = style.new(4.0, width=10.0, dpi=120)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.imshow(image)
    left.set_axis_off()
    style.title(left, title, 60, size=10.0)
    bars(right, labels, probabilities)
    return style.png(figure)


def bars(
    axes: Axes,
    labels: Sequence[str],
    probabilities: Sequence[float],
    colours: Sequence[str] = (),
    hatches: Sequence[str] = (),
    size: float = 10.0,
) -> None:
    """Horizontal bars, one for each class, with name and per cent above each.

    Args:
        axes: filled by these bars alone.
        labels: class names, from top to bottom.
        probabilities: of those classes, from 0 to 1.
        colours: of the bars; by default the first one stands out.
        hatches: of the bars; empty for none.
        size: of the text, in points.
    """
    lines = range(len(labels))
    colours = colours or [_FIRST_BAR] + [_BAR] * (len(labels) - 1)
    patches = axes.barh(lines, probabilities, color=colours, height=0.45)
    for bar, hatch in zip(patches, hatches, strict=False):
        bar.set(hatch=hatch, edgecolor="white", linewidth=0)
    for line, label, probability in zip(lines, labels, probabilities, strict=True):
        for x, text, side in (0, label, "left"), (1, f"{probability:.1%}", "right"):
            axes.text(
                x,
                line - 0.32,
                text,
                ha=side,
                va="bottom",
                color=style.TEXT,
                fontsize=size,
                parse_math=False,
            )
    axes.set_xlim(0, 1)
    axes.set_ylim(len(labels) - 0.6, -0.8)
    axes.set_axis_off()


def timeline(parts: Sequence[tuple[float, float, str, float]]) -> bytes:
    """A PNG file with the parts of a long video as a coloured bar along its time.

    Args:
        parts: start and end in seconds, label and its probability, which is the
            strength of the colour.
    """
    labels = list(dict.fromkeys(label for _, _, label, _ in parts))
    height = 1.4 + 0.25 * ((len(labels) + 3) // 4)
    figure = style.new(height, width=10.0, dpi=110, layout=None)
    axes = figure.subplots()
    handles = {}
    for start, end, label, probability in parts:
        colour = _LABEL_COLOURS(labels.index(label) % _LABEL_COLOURS.N)
        (handles[label],) = axes.barh(
            0, end - start, left=start, color=colour, alpha=0.3 + 0.7 * probability
        )
    axes.set_xlim(parts[0][0], parts[-1][1])
    axes.set_yticks([])
    axes.set_xlabel("seconds")
    axes.legend(
        handles.values(),
        [label.replace("$", r"\$") for label in handles],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        frameon=False,
    )
    return style.png(figure, tight=True)
