"""Video files as RGB frames, by PyAV: whatever can be read is read, with a warning."""

import contextlib
import dataclasses
from collections.abc import Iterator

import av
import cv2
import numpy as np
from etils import epath
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "y x 3"]


class VideoError(Exception):
    """A clip of which nothing can be used; the message is the reason."""


@dataclasses.dataclass
class Video:
    """A video file, decoded frame by frame when iterated over.

    Attributes:
        path: the file.
        size: width and height of the decoded frames in pixels; (0, 0) before.
        warnings: what was wrong with it as far as it was read.
    """

    path: epath.PathLike
    size: tuple[int, int] = (0, 0)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def __iter__(self) -> Iterator[Frame]:
        """Frames in the order they are shown, turned upright.

        Raises:
            VideoError: the file is missing or empty, is no video, or no frame of it
                can be decoded.
        """
        path = epath.Path(self.path)
        if not path.exists():
            raise VideoError("there is no such file")
        if not path.stat().length:
            raise VideoError("the file is empty (0 bytes)")
        try:
            yield from self._decode(path)
        except av.FFmpegError as error:
            if isinstance(error, av.error.InvalidDataError):
                raise VideoError("FFmpeg finds no video in it") from error
            raise VideoError(f"FFmpeg: {error.strerror}") from error

    def _decode(self, path: epath.Path) -> Iterator[Frame]:
        local = "://" not in str(path)
        with (
            contextlib.nullcontext(str(path)) if local else path.open("rb") as source,
            av.open(source, metadata_errors="ignore") as container,
        ):
            if not container.streams.video:
                raise VideoError("it has no video stream")
            yield from self._read(container)

    def _read(self, container: "av.container.InputContainer") -> Iterator[Frame]:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        frames = corrupt = 0
        for packet in container.demux(stream):
            corrupt += packet.is_corrupt
            try:
                for frame in packet.decode():
                    frames += 1
                    yield self._upright(frame)
            except av.error.InvalidDataError:
                corrupt += not packet.is_corrupt
        if not frames:
            raise VideoError("no frame of it can be decoded")
        if corrupt:
            self.warnings.append(
                f"damaged or cut off: {corrupt} bad packets, {frames} frames read"
            )

    def _upright(self, frame: av.VideoFrame) -> Frame:
        pixels = frame.to_ndarray(format="rgb24")
        pixels = np.rot90(pixels, round(frame.rotation / 90) % 4)
        if not any(self.size):
            self.size = (pixels.shape[1], pixels.shape[0])
        return np.ascontiguousarray(pixels)


def resize(frame: Frame, size: tuple[int, int]) -> UInt8[np.ndarray, "y2 x2 3"]:
    """One frame resized to width and height, bilinear."""
    return cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)


def decode(
    path: epath.PathLike, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "t y x 3"]:
    """All frames of a video file.

    Args:
        path: any file that FFmpeg can read.
        size: width and height to resize to; by default those of the first frame.

    Raises:
        VideoError: nothing can be decoded.
    """
    video = Video(path)
    return np.stack([resize(frame, size or video.size) for frame in video])


def declared_frames(path: epath.PathLike) -> int:
    """Frames as the header declares them, which may be wrong; 0 if it does not."""
    if "://" in str(path):
        return 0
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            return container.streams.video[0].frames
    except (av.FFmpegError, IndexError):
        return 0
