"""Reads clips whose frames, flow or both were extracted by another program.

Images that fit are copied into the records byte for byte. Others are resized, and the
codes of their flow are scaled like the pixels that they count.

n frames have n - 1 flows. Where there are n flow images, the first or the last one
leads from or to a frame that does not exist. denseflow and most programs give a flow
the number of the frame that it leads FROM; the older dense_flow gives it the number of
the frame that it leads INTO.
"""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.prepare import encoding
from stpn_jax.prepare.precomputed import image_series
from stpn_jax.utils import files
from stpn_jax.video import decoding, image_files, imaging

FROM, INTO = "from", "into"

_CENTRE = 127.5  # the code of no motion
_GREY = 8  # grey levels by which JPEG makes the colours of a grey image differ
_ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND"}
_TAIL = 1024  # bytes at the end of a file that contain its end mark


class Frames:
    """A folder of frames, iterated over in the order of their numbers.

    Like a decoding.Video, it raises VideoError for what cannot be read.
    """

    def __init__(self, path: epath.PathLike):
        self.path = path
        self.size = (0, 0)  # width and height of the first frame, once it is read
        self.warnings: list[str] = []  # irregularities of the frames read so far

    def __iter__(self) -> Iterator[decoding.Frame]:
        return (pixels for _, pixels in self._read())

    def images(
        self, settings: encoding.Settings
    ) -> Iterator[tuple[decoding.Frame, bytes]]:
        """Each frame at the size of the settings, and its JPEG file."""
        for data, pixels in self._read():
            resized = imaging.resize(pixels, settings.size)
            is_copied = _is_copied(data, pixels, settings.size)
            file = data if is_copied else encoding.rgb(resized, settings.jpeg_quality)
            yield resized, file

    def _read(self) -> Iterator[tuple[bytes, decoding.Frame]]:
        sizes = set()
        for path in image_series.frames(self.path):
            data = _read_bytes(path)
            pixels = _decode(path, data, cv2.IMREAD_COLOR_RGB)
            size = pixels.shape[1], pixels.shape[0]
            sizes.add(size)
            if not any(self.size):
                self.size = size
            yield data, pixels
        if len(sizes) > 1:
            named = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
            self.warnings.append(f"its frames are of several sizes: {named}")


class Flow(NamedTuple):
    """The flow of a clip: as many images of the x as of the y component."""

    x: Sequence[epath.Path]
    y: Sequence[epath.Path]

    def between(self, frames: int, leads: str) -> "Flow":
        """The flows from each frame to the next.

        Leads is FROM or INTO where there are as many flow images as frames, else "".

        Raises:
            VideoError: there are not that many flow images.
        """
        flows, expected = len(self.x), frames if leads else frames - 1
        if flows == frames and not leads:
            raise decoding.VideoError(
                f"as many flows as frames ({frames}): --flow_leads must say which of "
                "them lead from a frame to the next"
            )
        if flows != expected:
            with_leads = f" with --flow_leads={leads}" if leads else ""
            raise decoding.VideoError(
                f"{frames} frames and {flows} flows: {expected} flows are expected"
                f"{with_leads} ({self.x[0].parent})"
            )
        if not leads:
            return self
        part = slice(1, None) if leads == INTO else slice(None, -1)
        return Flow(self.x[part], self.y[part])

    def codes(self, index: int, size: tuple[int, int]) -> UInt8[np.ndarray, "y x 2"]:
        """One flow at this width and height."""
        paths = self.x[index], self.y[index]
        parts = [_decode_grey(path, _read_bytes(path)) for path in paths]
        return np.stack([_resize(c, size, a) for a, c in enumerate(parts)], axis=-1)

    def files(self, settings: encoding.Settings) -> Iterator[tuple[bytes, bytes]]:
        """The JPEG files of each flow, x and y, at the size of the settings."""
        for x, y in zip(self.x, self.y, strict=True):
            yield _component(x, settings, 0), _component(y, settings, 1)


def _component(path: epath.Path, settings: encoding.Settings, axis: int) -> bytes:
    """The JPEG file of a flow's x (axis 0) or y (axis 1) component."""
    data = _read_bytes(path)
    code = _decode_grey(path, data)
    if _is_copied(data, code, settings.size):
        return data
    return encoding.grey(_resize(code, settings.size, axis), settings.jpeg_quality)


def _is_copied(data: bytes, pixels: np.ndarray, size: tuple[int, int]) -> bool:
    # An Exif orientation would turn the image for readers that respect it.
    is_plain = data.startswith(b"\xff\xd8\xff") and b"Exif\0" not in data[:_TAIL]
    return is_plain and pixels.shape[1::-1] == size


def _resize(
    code: UInt8[np.ndarray, "y x"], size: tuple[int, int], axis: int
) -> UInt8[np.ndarray, "y2 x2"]:
    """Codes at another size, for displacements in pixels of that size."""
    before = code.shape[1::-1]
    if before == size:
        return code
    centred = cv2.resize(code.astype(np.float32) - _CENTRE, size)
    scaled = centred * (size[axis] / before[axis]) + _CENTRE
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _decode_grey(path: epath.Path, data: bytes) -> UInt8[np.ndarray, "y x"]:
    pixels = _decode(path, data, cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 3:
        if np.ptp(pixels[..., :3], axis=-1).max() > _GREY:
            raise decoding.VideoError(
                f"{path} is a colour image: expected one grey image for each of the "
                "flow components x and y"
            )
        pixels = pixels[..., 0]
    return pixels


def _read_bytes(path: epath.Path) -> bytes:
    local = path if files.is_remote(path) else pathlib.Path(path)
    if not local.is_file():
        raise decoding.VideoError(f"{path} is not a regular file")
    return path.read_bytes()


def _decode(path: epath.Path, data: bytes, mode: int) -> UInt8[np.ndarray, "y x *c"]:
    ends = [end for start, end in _ENDS.items() if data.startswith(start)]
    if ends and ends[0] not in data.rstrip(b"\0")[-_TAIL:]:
        raise decoding.VideoError(f"{path} is cut off or damaged")
    pixels = image_files.decode(data, mode)
    if not pixels.size:
        raise decoding.VideoError(f"{path} is not an image that can be read")
    if pixels.dtype != np.uint8:
        raise decoding.VideoError(f"{path} has more than the expected 8 bits")
    return pixels
