"""What happens when in a long video: windows that slide by half, and their parts."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Scored(NamedTuple):
    """A cell of a video with its answer.

    Attributes:
        start: position of its first frame.
        stop: position after its last one.
        probabilities: of the classes.
    """

    start: int
    stop: int
    probabilities: Float[np.ndarray, "classes"]


class Window(NamedTuple):
    """Two cells that follow each other.

    Attributes:
        start: in seconds.
        end: in seconds.
        label: the most likely class.
        probability: of that class.
        probabilities: of all classes, the mean of both cells.
    """

    start: float
    end: float
    label: str
    probability: float
    probabilities: Float[np.ndarray, "classes"]


class Part(NamedTuple):
    """Cells of one label that follow each other.

    Attributes:
        start: in seconds.
        end: in seconds.
        label: the most likely class of each cell by the windows that it lies in.
        probability: of that class, the mean over the cells.
    """

    start: float
    end: float
    label: str
    probability: float


def windows(
    cells: Sequence[Scored], rate: float, labels: Sequence[str]
) -> tuple[Window, ...]:
    """Each pair of neighbouring cells; none of a video that is one cell.

    Args:
        cells: of the whole video, in order.
        rate: frames a second.
        labels: of the classes.
    """
    found = []
    for one, other in itertools.pairwise(cells):
        mean = (one.probabilities + other.probabilities) / 2
        best = int(mean.argmax())
        span = one.start / rate, other.stop / rate
        found.append(Window(*span, labels[best], float(mean[best]), mean))
    return tuple(found)


def parts(
    cells: Sequence[Scored], rate: float, labels: Sequence[str]
) -> tuple[Part, ...]:
    """Each run of one label; together they cover the video.

    Args:
        cells: of the whole video, in order.
        rate: frames a second.
        labels: of the classes.

    Returns:
        None of a video that is one cell.
    """
    if len(cells) < 2:
        return ()
    means = [window.probabilities for window in windows(cells, rate, labels)]
    # The first and the last cell lie in one window, all others in two.
    around = zip([means[0], *means], [*means, means[-1]], strict=True)
    smooth = [(before + after) / 2 for before, after in around]
    runs = itertools.groupby(range(len(cells)), lambda i: int(smooth[i].argmax()))
    return tuple(
        _part(
            best,
            [cells[i]._replace(probabilities=smooth[i]) for i in run],
            rate,
            labels,
        )
        for best, run in runs
    )


def _part(best: int, run: Sequence[Scored], rate: float, labels: Sequence[str]) -> Part:
    probability = float(np.mean([cell.probabilities[best] for cell in run]))
    return Part(run[0].start / rate, run[-1].stop / rate, labels[best], probability)
