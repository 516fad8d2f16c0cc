"""Video sources: the frames of a file or an array, resized, in cells of long videos."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.video import decoding, imaging

DEFAULT_RATE = 25.0
"""Frames a second where the header does not say."""

_RATES = (1.0, 240.0)
"""Plausible frames a second; a header outside of them is damaged."""

WHOLE_SECONDS = 30.0
"""A video up to this length is one cell, as in testing."""

WINDOW_SECONDS = 10.0
"""Of a window of a longer video: two cells."""

_MOST_FRAMES = 1500
"""Of a cell or a short video: 400 MB of frames of 340x256."""


class Frames(decoding.Video):
    """Frames in memory, with the attributes of a video file."""

    def __init__(self, pixels: UInt8[np.ndarray, "t y x 3"], rate: float):
        count, height, width, _ = pixels.shape
        seconds = count / (rate or DEFAULT_RATE)
        super().__init__("", size=(width, height), rate=rate, seconds=seconds)
        self._pixels = pixels

    def __iter__(self) -> Iterator[decoding.Frame]:
        """Frames in order."""
        return iter(self._pixels)


def open_source(given: Any, rate: float = DEFAULT_RATE) -> decoding.Video:
    """Opens a video file by its path, or an array of RGB frames: uint8 [t y x 3].

    Raises:
        VideoError: it is neither, or has no frames.
    """
    if _is_array(given):
        return Frames(_checked(np.asarray(given)), float(rate))
    try:
        path = epath.Path(given)
        path.exists()
    except (TypeError, ValueError, OSError) as error:
        raise decoding.VideoError(
            f"expected the path of a video, or uint8 frames [t y x 3]; found "
            f"{type(given).__name__} ({' '.join(str(error).split())})"
        ) from error
    except KeyError as error:  # Of epath, for a scheme that it does not know.
        raise decoding.VideoError(
            f"{error.args[0]} is not supported; expected a local path or gs://"
        ) from error
    return decoding.Video(path)


def name(given: Any) -> str:
    """Its name in reports."""
    if _is_array(given):
        return f"frames {'x'.join(map(str, np.shape(given)))}"
    return str(given)


def _is_array(given: Any) -> bool:
    return hasattr(given, "__array__")


def _checked(pixels: np.ndarray) -> np.ndarray:
    shape = "x".join(map(str, pixels.shape))
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        raise decoding.VideoError(
            f"expected uint8 frames [t y x 3] of a video, found {pixels.dtype} {shape}"
        )
    if not pixels.size:
        raise decoding.VideoError(
            f"expected one frame and pixel or more, found {shape}"
        )
    return pixels


def rate(source: decoding.Video) -> float:
    """Frames a second; of a file, known only after the first frame."""
    low, high = _RATES
    found = source.rate
    return found if low <= found <= high else DEFAULT_RATE


def read(
    source: decoding.Video, size: tuple[int, int], limit: float
) -> Iterator[decoding.Frame]:
    """The frames, each resized to width and height as soon as it is decoded.

    Raises:
        VideoError: it cannot be read, or lasts longer than `limit` seconds.
    """
    for count, frame in enumerate(source):
        if not count and source.seconds > limit:
            raise _too_long(f"{source.seconds:.0f} s", limit)
        if count >= limit * rate(source):
            raise _too_long(f"more than {count} frames", limit)
        yield imaging.resize(frame, size)


def _too_long(found: str, limit: float) -> decoding.VideoError:
    return decoding.VideoError(
        f"it is too long: {found}, where {limit:.0f} s are allowed; cut it"
    )


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
    """Cells of `step` frames, of which no more than two are in memory.

    A video of up to `whole` frames is one cell; less than half a cell at the end
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
