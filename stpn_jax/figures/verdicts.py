"""The paper's Figures 3 and 4: clips and what two networks answer for them."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stpn_jax.figures import bars, figures, strips

_ROW_INCHES, _HEAD_INCHES = 1.85, 0.3
_LETTERS, _HEAD_LETTERS = 22, 34


class Answer(NamedTuple):
    """The most likely classes, the first one first, and their probabilities."""

    labels: Sequence[str]
    probabilities: Sequence[float]


class Case(NamedTuple):
    """A clip: its name and class, some frames of it, the answers beside each other."""

    name: str
    truth: str
    frames: UInt8[np.ndarray, "t y x 3"]
    answers: Sequence[Answer]


def draw(networks: Sequence[str], cases: Sequence[Case]) -> Figure:
    """A row for each case: frames above the truth, then bars of every answer.

    Args:
        networks: whose answers they are.
        cases: at least one, with as many answers.
    """
    figure = figures.new(_ROW_INCHES * len(cases) + _HEAD_INCHES)
    grid = figure.subplots(
        len(cases),
        1 + len(networks),
        squeeze=False,
        width_ratios=(1.3, *[1] * len(networks)),
    )
    for axes, name in zip(grid[0, 1:], networks, strict=True):
        head = "\n".join(textwrap.wrap(name, _HEAD_LETTERS)[:2])
        axes.set_title(head, fontsize=figures.SMALL, loc="left", parse_math=False)
    for row, case in zip(grid, cases, strict=True):
        _show(row[0], case)
        for axes, answer in zip(row[1:], case.answers, strict=True):
            _answer(axes, case.truth, answer)
    return figure


def _show(axes: Axes, case: Case) -> None:
    axes.imshow(strips.grid(case.frames, 2))
    axes.set_axis_off()
    axes.set_anchor("W")
    axes.set_title(
        figures.short(case.truth, 34),
        fontsize=figures.MEDIUM,
        color=figures.BLUE,
        weight="bold",
        loc="left",
        parse_math=False,
    )


def _answer(axes: Axes, truth: str, answer: Answer) -> None:
    right = [label == truth for label in answer.labels]
    bars.draw(
        axes,
        [
            figures.short(label, _LETTERS) + (" ✓" if is_right else "")
            for label, is_right in zip(answer.labels, right, strict=True)
        ],
        answer.probabilities,
        colours=[figures.GREEN if one else figures.VERMILLION for one in right],
        hatches=["" if one else "////" for one in right],
        size=figures.SMALL,
    )
