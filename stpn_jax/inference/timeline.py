"""Long videos over time: cells that cover them, sliding windows, segments by label.

A window is two neighbouring cells, so that windows slide by half.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from stpn_jax.video import decoding

WHOLE_SECONDS = 30.0
"""A video up to this length is one cell, as in testing."""

WINDOW_SECONDS = 10.0
"""Of a window of a longer video: two cells."""

_MOST_FRAMES = 1500
"""Of a cell or a short video: 400 MB of frames of 340x256."""


class Cell(NamedTuple):
    """RGB frames of a video from index `start` on; `alone` if they are all of it."""

    start: int
    frames: UInt8[np.ndarray, "t y x 3"]
    alone: bool = False


def lengths(rate: float, window: float | None) -> tuple[int, int]:
    """The most frames of a short video, and the frames of a cell of a longer one."""

    def frames(seconds: float) -> int:
        return int(min(max(2, round(seconds * rate)), _MOST_FRAMES))

    return frames(window or WHOLE_SECONDS), frames((window or WINDOW_SECONDS) / 2)


def cut(frames: Iterable[decoding.Frame], whole: int, step: int) -> Iterator[Cell]:
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
    rest = itertools.chain(_released(first), rest)
    start, piece = 0, list(itertools.islice(rest, step))
    while following := list(itertools.islice(rest, step)):
        if 2 * len(following) < step:
            piece += following
            break
        yield Cell(start, np.stack(piece))
        start, piece = start + len(piece), following
    yield Cell(start, np.stack(piece))


def _released(items: list) -> Iterator:
    """The items, each dropped from the list when it is yielded."""
    items.reverse()
    while items:
        yield items.pop()


class ScoredCell(NamedTuple):
    """First frame of a cell, the one after its last, probabilities of the classes."""

    start: int
    stop: int
    probabilities: Float[np.ndarray, "classes"]


class Window(NamedTuple):
    """Two neighbouring cells: seconds, and the mean of both cells' probabilities."""

    start: float
    end: float
    label: str
    probability: float
    probabilities: Float[np.ndarray, "classes"]


class Segment(NamedTuple):
    """A run of cells of one label, in seconds.

    The label of a cell is the most likely class by the windows that it lies in, and the
    probability the mean of these over the cells.
    """

    start: float
    end: float
    label: str
    probability: float


def windows(
    cells: Sequence[ScoredCell], rate: float, labels: Sequence[str]
) -> tuple[Window, ...]:
    """Each pair of neighbouring cells, in order; none of a video that is one cell."""
    found = []
    for one, other in itertools.pairwise(cells):
        mean = (one.probabilities + other.probabilities) / 2
        best = int(mean.argmax())
        span = one.start / rate, other.stop / rate
        found.append(Window(*span, labels[best], float(mean[best]), mean))
    return tuple(found)


def segments(
    cells: Sequence[ScoredCell], rate: float, labels: Sequence[str]
) -> tuple[Segment, ...]:
    """Each run of one label, together the whole video; none if that is one cell."""
    if len(cells) < 2:
        return ()
    means = [window.probabilities for window in windows(cells, rate, labels)]
    # The first and the last cell lie in one window, all others in two.
    around = zip([means[0], *means], [*means, means[-1]], strict=True)
    smooth = [(before + after) / 2 for before, after in around]
    runs = itertools.groupby(range(len(cells)), lambda i: int(smooth[i].argmax()))
    found = []
    for best, run in runs:
        first, *_ = own = list(run)
        span = cells[first].start / rate, cells[own[-1]].stop / rate
        probability = float(np.mean([smooth[i][best] for i in own]))
        found.append(Segment(*span, labels[best], probability))
    return tuple(found)
