"""Clips of which another program has extracted the frames, the flow or both.

Images that fit are taken into the records byte for byte; others are resized, where the
codes of flow are scaled with the pixels in which they count.

n frames have n - 1 flows. Where there are n, one at an end leads from or to a frame
that is not there. denseflow and most programs give flow k the frame that it leads
FROM; dense_flow, the older one, gives it the frame that it leads INTO.
"""

import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.prepare import encoding
from stpn_jax.prepare.precomputed import image_series
from stpn_jax.video import decoding

FROM, INTO = "from", "into"

_CENTRE = 127.5  # the code of no motion
_GREY = 8  # grey levels by which JPEG makes the colours of a grey image differ
_ENDS = {b"\xff\xd8\xff": b"\xff\xd9", b"\x89PNG": b"IEND"}
_TAIL = 1024  # bytes at the end of a file, among which its end mark stands


class Frames:
    """A folder of frames, to be iterated over like a video.Video.

    Attributes:
        path: the folder.
        size: width and height of the first frame in pixels; (0, 0) before.
        warnings: what is odd about them, as far as they were read.
    """

    def __init__(self, path: epath.PathLike):
        self.path = path
        self.size = (0, 0)
        self.warnings: list[str] = []
        self._sizes: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[decoding.Frame]:
        """Frames in the order of their numbers.

        Raises:
            VideoError: one cannot be read, or they are not as image_series expects.
        """
        for path in image_series.frames(self.path):
            yield self._decoded(path, _read(path))
        self._tell_sizes()

    def files(self, settings: encoding.Settings) -> Iterator[bytes]:
        """The frames as JPEG files of the size that is asked for."""
        for path in image_series.frames(self.path):
            data = _read(path)
            pixels = self._decoded(path, data)
            yield (
                data
                if _fits(data, pixels, settings.size)
                else encoding.rgb(
                    decoding.resize(pixels, settings.size), settings.jpeg_quality
                )
            )
        self._tell_sizes()

    def _decoded(self, path: epath.Path, data: bytes) -> decoding.Frame:
        pixels = _decode(path, data, cv2.IMREAD_COLOR_RGB)
        size = pixels.shape[1], pixels.shape[0]
        self._sizes.add(size)
        if not any(self.size):
            self.size = size
        return pixels

    def _tell_sizes(self) -> None:
        if len(self._sizes) > 1 and not self.warnings:
            named = ", ".join(f"{w}x{h}" for w, h in sorted(self._sizes))
            self.warnings.append(f"its frames are of several sizes: {named}")


class Flow(NamedTuple):
    """The flow of a clip: images of its components, equally many."""

    x: Sequence[epath.Path]
    y: Sequence[epath.Path]

    def between(self, frames: int, leads: str) -> "Flow":
        """The flows from each frame to the next.

        Args:
            frames: how many there are.
            leads: from or into: which frame has the number of a flow, where there are
                as many of both.

        Raises:
            VideoError: the numbers do not fit: one flow less than frames are expected,
                or, with leads, as many.
        """
        flows, expected = len(self.x), frames if leads else frames - 1
        if flows == frames and not leads:
            raise decoding.VideoError(
                f"as many flows as frames ({frames}): which of them lead from a frame "
                "to the next has to be said by --flow_leads"
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
        """One flow at the size that is asked for."""
        paths = self.x[index], self.y[index]
        parts = [
            _resize(_decode_grey(path, _read(path)), size, axis)
            for axis, path in enumerate(paths)
        ]
        return np.stack(parts, axis=-1)


def encode(
    source: Frames | Iterable[decoding.Frame], flow: Flow, settings: encoding.Settings
) -> encoding.Encoded:
    """A clip whose flow is there.

    Raises:
        VideoError: frames and flow do not fit each other, or an image is damaged.
    """
    encoded = encoding.Encoded()
    files = (
        source.files(settings)
        if isinstance(source, Frames)
        else (
            encoding.rgb(decoding.resize(frame, settings.size), settings.jpeg_quality)
            for frame in source
        )
    )
    for file in files:
        encoded.frames.append(file)
        encoded.check_size()
    if len(encoded.frames) < 2:
        raise decoding.VideoError("it has one frame, and flow needs two")
    flow = flow.between(len(encoded.frames), settings.leads)
    encoded.flow_x = [_component(path, settings, 0) for path in flow.x]
    encoded.flow_y = [_component(path, settings, 1) for path in flow.y]
    encoded.check_size()
    return encoded


def _component(path: epath.Path, settings: encoding.Settings, axis: int) -> bytes:
    """One image of the flow in x (axis 0) or y (axis 1) as a JPEG file."""
    data = _read(path)
    code = _decode_grey(path, data)
    if _fits(data, code, settings.size):
        return data
    return encoding.grey(_resize(code, settings.size, axis), settings.jpeg_quality)


def _fits(data: bytes, pixels: np.ndarray, size: tuple[int, int]) -> bool:
    # A tag of its orientation would turn the image for those who look at tags.
    is_plain = data.startswith(b"\xff\xd8\xff") and b"Exif\0" not in data[:_TAIL]
    return is_plain and pixels.shape[1::-1] == size


def _resize(
    code: UInt8[np.ndarray, "y x"], size: tuple[int, int], axis: int
) -> UInt8[np.ndarray, "y2 x2"]:
    """Codes of displacement in pixels of another size."""
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
                f"{path} is a colour image: flow in x and in y is expected in a grey "
                "image each"
            )
        pixels = pixels[..., 0]
    return pixels


def _read(path: epath.Path) -> bytes:
    is_local = "://" not in str(path)
    if not (pathlib.Path(path).is_file() if is_local else path.is_file()):
        raise decoding.VideoError(f"{path} is no regular file")
    return path.read_bytes()


def _decode(path: epath.Path, data: bytes, mode: int) -> UInt8[np.ndarray, "y x *c"]:
    ends = [end for start, end in _ENDS.items() if data.startswith(start)]
    if ends and ends[0] not in data.rstrip(b"\0")[-_TAIL:]:
        raise decoding.VideoError(f"{path} is cut off or damaged")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise decoding.VideoError(f"{path} is no image that can be read")
    if pixels.dtype != np.uint8:
        raise decoding.VideoError(f"{path} has more than the 8 bits that are expected")
    return np.asarray(pixels)
