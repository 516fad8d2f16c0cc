"""What is looked at: a video file or an array of frames, one frame after the other."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.video import decoding

DEFAULT_RATE = 25.0
"""Frames a second of what does not say how many it has."""

_RATES = (1.0, 240.0)
"""What a header may say; beyond that it is damaged."""


@dataclasses.dataclass
class Frames:
    """Frames in memory, with what a video.Video has.

    Attributes:
        pixels: RGB.
        rate: frames a second.
        size: width and height in pixels.
        warnings: none.
        seconds: their length.
    """

    pixels: UInt8[np.ndarray, "t y x 3"]
    rate: float = DEFAULT_RATE
    warnings: list[str] = dataclasses.field(default_factory=list)

    def __iter__(self) -> Iterator[decoding.Frame]:
        return iter(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[2], self.pixels.shape[1]

    @property
    def seconds(self) -> float:
        """How long they last."""
        return len(self.pixels) / self.rate


Source = decoding.Video | Frames


def find(given: Any, rate: float = DEFAULT_RATE) -> Source:
    """The source that somebody means.

    Args:
        given: path of a video file, or RGB frames: uint8 [t y x 3].
        rate: frames a second of an array.

    Raises:
        VideoError: it is neither, or has no frames.
    """
    if isinstance(given, np.ndarray) or hasattr(given, "__array__"):
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
            f"{error.args[0]} is no place that is read from; expected a path or gs://"
        ) from error
    return decoding.Video(path)


def name(given: Any) -> str:
    """How a report names it."""
    if isinstance(given, np.ndarray) or hasattr(given, "__array__"):
        return f"frames {'x'.join(map(str, np.shape(given)))}"
    return str(given)


def _checked(pixels: np.ndarray) -> np.ndarray:
    shape = "x".join(map(str, pixels.shape))
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        raise decoding.VideoError(
            f"expected uint8 frames [t y x 3] of a video, found {pixels.dtype} {shape}"
        )
    if not pixels.size:
        raise decoding.VideoError(
            f"expected at least one frame and pixel, found {shape}"
        )
    return pixels


def rate(source: Source) -> float:
    """Frames a second; known only after the first frame."""
    low, high = _RATES
    found = source.rate
    return found if math.isfinite(found) and low <= found <= high else DEFAULT_RATE


def read(
    source: Source, size: tuple[int, int], limit: float
) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    """The frames in width and height, each as soon as it is decoded.

    Args:
        source: of the frames.
        size: width and height.
        limit: seconds that it may last.

    Raises:
        VideoError: it cannot be read, or lasts longer.
    """
    for count, frame in enumerate(source):
        if not count and source.seconds > limit:
            raise decoding.VideoError(_too_long(f"{source.seconds:.0f} s", limit))
        if count >= limit * rate(source):
            raise decoding.VideoError(_too_long(f"more than {count} frames", limit))
        yield decoding.resize(frame, size)


def _too_long(found: str, limit: float) -> str:
    return f"it is too long: {found}, where {limit:.0f} s are allowed; cut it"
