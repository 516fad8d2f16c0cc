"""A video cut into cells: one if it is short, else pieces that follow each other."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

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
