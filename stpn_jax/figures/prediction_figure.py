"""Figures of predictions: class bars, a timeline, clips with two predictions."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import images, style

_BAR, _FIRST_BAR = "#9db4c8", "#2f6690"
_LABEL_COLOURS = matplotlib.colormaps["tab20"]


def draw(
    title: str,
    labels: Sequence[str],
    probabilities: Sequence[float],
    image: UInt8[np.ndarray, "y x 3"],
) -> bytes:
    """A PNG file with the RGB image left and bars right, the most likely class first.

    A long title is shortened.
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
    options: Any = {"va": "bottom", "fontsize": size, "parse_math": False}
    options |= {"color": style.TEXT}
    for line, label, probability in zip(lines, labels, probabilities, strict=True):
        for x, text, side in (0, label, "left"), (1, f"{probability:.1%}", "right"):
            axes.text(x, line - 0.32, text, ha=side, **options)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(labels) - 0.6, -0.8)
    axes.set_axis_off()


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
    """The paper's Figures 3 and 4: a row for each clip, frames left, bars right."""
    figure = style.new(1.85 * len(clips) + 0.3)
    widths = (1.3, *[1] * len(networks))
    grid = figure.subplots(len(clips), len(widths), squeeze=False, width_ratios=widths)
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
    names = [style.short(label, 22) + " ✓" * (label == truth) for label in labels]
    colours = [style.GREEN if ok else style.VERMILLION for ok in right]
    hatches = ["" if ok else "////" for ok in right]
    bars(axes, names, probabilities, colours, hatches, style.SMALL)


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
    names = [label.replace("$", r"\$") for label in handles]
    above: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    axes.legend(handles.values(), names, ncols=4, frameon=False, **above)
    return style.png(figure, tight=True)
