"""How a clip is encoded: settings, and the JPEG files of its frames and flow."""

import dataclasses

import cv2
import numpy as np
from jaxtyping import UInt8

from stpn_jax.ops import tvl1
from stpn_jax.video import decoding

RECORD_LIMIT = 1 << 30
"""Bytes of one record: TensorFlow writes and parses none above 2 GiB."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that the bytes of an encoded clip depend on, besides the clip."""

    size: tuple[int, int]  # width and height in pixels
    bound: float  # displacement in pixels that becomes 255, see video.flow_codec
    jpeg_quality: int  # of frames and flow
    flow: tvl1.Parameters | None  # None where another program made the flow
    leads: str = ""  # the --flow_leads of such flow, see precomputed.extracted


@dataclasses.dataclass
class Encoded:
    """The JPEG files of a clip: n frames and n - 1 flows of components x and y."""

    frames: list[bytes] = dataclasses.field(default_factory=list)
    flow_x: list[bytes] = dataclasses.field(default_factory=list)
    flow_y: list[bytes] = dataclasses.field(default_factory=list)
    size: int = 0  # bytes of all files

    def add(self, files: list[bytes], file: bytes) -> None:
        """Adds to a list; raises VideoError if the clip exceeds a record's size."""
        files.append(file)
        self.size += len(file)
        if self.size > RECORD_LIMIT:
            raise decoding.VideoError(
                f"longer than a record of {RECORD_LIMIT >> 20} MiB holds (which is "
                f"about {len(self.frames)} of its frames): cut it into shorter clips"
            )


def rgb(image: UInt8[np.ndarray, "y x 3"], quality: int) -> bytes:
    """A frame as a JPEG file."""
    return _jpeg(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)


def grey(image: UInt8[np.ndarray, "y x"], quality: int) -> bytes:
    """A flow component as a JPEG file."""
    return _jpeg(np.ascontiguousarray(image), quality)


def _jpeg(pixels: np.ndarray, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
