"""What a clip is encoded into: JPEG files of its frames and of its flow."""

import dataclasses
import itertools

import cv2
import numpy as np
from jaxtyping import UInt8

from stpn_jax.ops import tvl1
from stpn_jax.video import decoding

RECORD_LIMIT = 1 << 30
"""Bytes of one record: TensorFlow writes and parses none above 2 GiB."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How clips are encoded.

    Attributes:
        size: width and height in pixels.
        bound: see data.flow.
        jpeg_quality: of frames and flow.
        flow: parameters of TV-L1; None where the flow was made by another program.
        leads: of such flow, see data.extracted.
    """

    size: tuple[int, int]
    bound: float
    jpeg_quality: int
    flow: tvl1.Parameters | None
    leads: str = ""


@dataclasses.dataclass
class Encoded:
    """The JPEG files of a clip: n frames, n - 1 components of flow in x and in y."""

    frames: list[bytes] = dataclasses.field(default_factory=list)
    flow_x: list[bytes] = dataclasses.field(default_factory=list)
    flow_y: list[bytes] = dataclasses.field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all the files."""
        return sum(map(len, itertools.chain(self.frames, self.flow_x, self.flow_y)))

    def check_size(self) -> None:
        """Raises VideoError if they are more than a record holds."""
        if self.size > RECORD_LIMIT:
            raise decoding.VideoError(
                f"longer than a record of {RECORD_LIMIT >> 20} MiB holds (which is "
                f"about {len(self.frames)} frames of it): cut it into shorter clips"
            )


def rgb(image: UInt8[np.ndarray, "y x 3"], quality: int) -> bytes:
    """A frame as a JPEG file."""
    return _jpeg(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)


def grey(image: UInt8[np.ndarray, "y x"], quality: int) -> bytes:
    """A component of the flow as a JPEG file."""
    return _jpeg(np.ascontiguousarray(image), quality)


def _jpeg(pixels: np.ndarray, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
