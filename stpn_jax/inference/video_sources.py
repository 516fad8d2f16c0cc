"""Video sources: the frames of a file or an array, checked, resized and limited."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.video import decoding

DEFAULT_RATE = 25.0
"""Frames a second where the header does not say."""

_RATES = (1.0, 240.0)
"""Plausible frames a second; a header outside of them is damaged."""


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
    return found if math.isfinite(found) and low <= found <= high else DEFAULT_RATE


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
        yield decoding.resize(frame, size)


def _too_long(found: str, limit: float) -> decoding.VideoError:
    return decoding.VideoError(
        f"it is too long: {found}, where {limit:.0f} s are allowed; cut it"
    )
