"""What happens when in a long video: windows that slide by half, and their parts."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8


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


WHOLE_SECONDS = 30.0
"""A video up to this length is one cell, as it is in testing."""

WINDOW_SECONDS = 10.0
"""Of a window of a longer video: two cells."""

_MOST_FRAMES = 1500
"""Of a cell or a short video: 400 MB of frames of 340x256."""


class Cell(NamedTuple):
    """Consecutive frames of a video.

    Attributes:
        start: position of the first one.
        frames: RGB.
        alone: whether they are all that the video has.
    """

    start: int
    frames: UInt8[np.ndarray, "t y x 3"]
    alone: bool = False


def lengths(rate: float, window: float | None) -> tuple[int, int]:
    """The most frames of a short video, and the frames of a cell of a longer one.

    Args:
        rate: frames a second.
        window: seconds; by default as above.
    """
    whole = window or WHOLE_SECONDS
    step = (window or WINDOW_SECONDS) / 2
    return _frames(whole * rate), _frames(step * rate)


def _frames(count: float) -> int:
    return int(min(max(2, round(count)), _MOST_FRAMES))


def cut(
    frames: Iterable[UInt8[np.ndarray, "y x 3"]], whole: int, step: int
) -> Iterator[Cell]:
    """Cells, of which no more than two are in memory.

    Args:
        frames: of a video.
        whole: up to so many frames are one cell.
        step: frames of a cell of a longer video; less than half a cell at the end
            belongs to the one before.
    """
    rest = iter(frames)
    first = list(itertools.islice(rest, whole + 1))
    if len(first) <= whole:
        if first:
            yield Cell(0, np.stack(first), alone=True)
        return
    rest = itertools.chain(_emptied(first), rest)
    start, piece = 0, list(itertools.islice(rest, step))
    while following := list(itertools.islice(rest, step)):
        if 2 * len(following) < step:
            piece += following
            break
        yield Cell(start, np.stack(piece))
        start, piece = start + len(piece), following
    yield Cell(start, np.stack(piece))


def _emptied(items: list) -> Iterator:
    """The items, each forgotten when it is given."""
    items.reverse()
    while items:
        yield items.pop()
