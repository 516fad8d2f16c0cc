"""Writes frames as an .mp4 file that browsers play."""

import fractions
import itertools
from collections.abc import Iterable
from typing import cast

import av
import numpy as np
from etils import epath
from jaxtyping import UInt8

_CODECS = ("libx264", "mpeg4")
"""In order of preference: all browsers play H.264, but not every FFmpeg encodes it."""

_LARGEST_DENOMINATOR = 1000
"""Of the frame rate; FFmpeg's MPEG-4 encoder allows no finer time base."""


def write(
    path: epath.PathLike, frames: Iterable[UInt8[np.ndarray, "y x 3"]], rate: float
) -> None:
    """Encodes frames as they come.

    Args:
        path: of the file.
        frames: RGB, at least one; all of the size of the first. An odd last row or
            column of pixels is cropped.
        rate: frames a second.
    """
    codec = next(name for name in _CODECS if name in av.codecs_available)
    frames = iter(frames)
    first = next(frames)
    with av.open(str(path), "w", format="mp4") as container:
        exact = fractions.Fraction(rate).limit_denominator(_LARGEST_DENOMINATOR)
        stream = cast(av.VideoStream, container.add_stream(codec, rate=exact))
        stream.height, stream.width = (side // 2 * 2 for side in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        for pixels in itertools.chain([first], frames):
            even = np.ascontiguousarray(pixels[: stream.height, : stream.width])
            image = av.VideoFrame.from_ndarray(even, "rgb24")
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
