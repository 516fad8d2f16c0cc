"""Video files as RGB frames, by PyAV: whatever can be read is read, with a warning."""

import contextlib
import dataclasses
import pathlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import av
import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.utils import files
from stpn_jax.video import riff

Frame = UInt8[np.ndarray, "y x 3"]

_MOST_PIXELS = 1 << 26
"""Of a frame: twice 8K. A damaged header may declare any size."""

_REREAD = 8
"""Most bytes of packets for each byte of a file: damaged indices lead in circles."""

_NO_VIDEO = ("_pipe", "image2", "tty", "concat", "hls", "dash")
"""FFmpeg formats, or ends of their names, that are still images, text or lists."""

_MATRIX = struct.Struct("=9i")


class VideoError(Exception):
    """Nothing of a video can be used; the message is the reason."""


@dataclasses.dataclass
class Video:
    """A video file, decoded frame by frame when iterated over.

    Attributes:
        path: the file.
        size: width and height of the decoded frames in pixels; (0, 0) before.
        warnings: damage found so far.
        rate: mean frames a second by its header; 0 before, or where it has none.
        seconds: its length by its header; 0 before, or where it has none.
    """

    path: epath.PathLike
    size: tuple[int, int] = (0, 0)
    warnings: list[str] = dataclasses.field(default_factory=list)
    rate: float = 0.0
    seconds: float = 0.0

    def __iter__(self) -> Iterator[Frame]:
        """Frames in the order they are shown, turned upright, each once.

        Time stamps are ignored: a video of variable frame rate yields the frames that
        it has, as the data sets' authors read theirs.

        Raises:
            VideoError: the file is missing or empty, is no video, or no frame of it
                can be decoded.
        """
        path = epath.Path(self.path)
        _check_file(path)
        with contextlib.ExitStack() as stack:
            is_remote = files.is_remote(path)
            source = stack.enter_context(path.open("rb")) if is_remote else None
            container = stack.enter_context(_open(path, source))
            yield from self._read(container, path.stat().length)
        if damage := riff.find_damage(path):
            self.warnings.append(f"the AVI file is damaged: {damage}")

    def _read(
        self, container: "av.container.InputContainer", length: int
    ) -> Iterator[Frame]:
        self.rate = float(_video_stream(container).average_rate or 0)
        self.seconds = (container.duration or 0) / av.time_base
        messages: list[str] = []  # Of FFmpeg: its only sign of most damage.
        bad_packets = count = 0
        sizes = set()
        for frames, is_bad in _decode(container, length, messages):
            bad_packets += is_bad
            for frame in frames:
                count += 1
                sizes.add((frame.width, frame.height))
                pixels = _upright(frame)
                if not any(self.size):
                    self.size = (pixels.shape[1], pixels.shape[0])
                yield pixels
        if not count:
            raise VideoError(f"no frame of it can be decoded{_quote(messages)}")
        if bad_packets or messages:
            self.warnings.append(
                f"damaged or cut off: {bad_packets} bad packets, "
                f"{count} frames read{_quote(messages)}"
            )
        if len(sizes) > 1:
            named = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
            self.warnings.append(f"its frames are of several sizes: {named}")


def _decode(
    container: "av.container.InputContainer", length: int, messages: list[str]
) -> Iterator[tuple[list[av.VideoFrame], bool]]:
    """The frames of each packet, and whether FFmpeg calls them, or it, corrupt."""
    stream = _video_stream(container)
    codec = stream.codec_context
    codec.thread_count = 1  # FFmpeg's messages come on the thread that decodes.
    codec.options = {"max_pixels": str(_MOST_PIXELS)}
    for packet in _packets(container.demux(stream), length, messages):
        is_bad = packet is not None and packet.is_corrupt
        frames: list[av.VideoFrame] = []
        try:
            with _logged_errors(messages):
                frames = codec.decode(packet)
        except av.FFmpegError:
            is_bad = True
        yield frames, is_bad or any(frame.is_corrupt for frame in frames)


def _packets(
    packets: Iterator[av.Packet], length: int, messages: list[str]
) -> Iterator[av.Packet | None]:
    """Packets up to the end or the first error, then None to flush the decoder."""
    read = 0
    while read <= _REREAD * length:
        try:
            with _logged_errors(messages):
                packet = next(packets, None)
        except av.FFmpegError as error:
            messages.append(str(error.strerror))
            break
        if packet is None:
            break
        read += packet.size + 1
        if packet.size:  # An empty one would end the decoding.
            yield packet
    else:
        messages.append("the file refers back to bytes already read")
    yield None


@contextlib.contextmanager
def _logged_errors(messages: list[str]) -> Iterator[None]:
    """Appends the errors that FFmpeg logs on this thread; never hold it at a yield.

    The level stays as it is set here: threads share it.
    """
    if av.logging.get_level() is None:
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)
    with av.logging.Capture(local=True) as logs:
        try:
            yield
        finally:
            messages += [
                text.strip() for level, _, text in logs if level <= av.logging.ERROR
            ]


def _check_file(path: epath.Path) -> None:
    if not path.exists():
        raise VideoError("there is no such file")
    if path.is_dir() or not (files.is_remote(path) or pathlib.Path(path).is_file()):
        raise VideoError("it is no regular file")
    if not path.stat().length:
        raise VideoError("the file is empty (0 bytes)")


def _open(path: epath.Path, source: BinaryIO | None) -> "av.container.InputContainer":
    """Opens a file, and none that it refers to; `source` reads a remote one."""
    messages: list[str] = []
    try:
        with _logged_errors(messages):
            container = av.open(
                source or f"file:{path}",
                "r",
                metadata_errors="ignore",
                options={"protocol_whitelist": "file"},
            )
    except av.error.InvalidDataError as error:
        raise VideoError(f"FFmpeg finds no video in it{_quote(messages)}") from error
    except av.FFmpegError as error:
        raise VideoError(f"FFmpeg: {error.strerror}") from error
    kind = container.format.name
    if any(name.endswith(_NO_VIDEO) for name in kind.split(",")):
        container.close()
        raise VideoError(f"FFmpeg finds no video in it but {kind}")
    return container


def _video_stream(container: "av.container.InputContainer") -> av.VideoStream:
    """The first video stream that is no cover picture."""
    cover = av.stream.Disposition.attached_pic
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        raise VideoError("it has no video stream")
    codec = streams[0].codec_context
    if codec is None:
        raise VideoError("FFmpeg knows no decoder for its video")
    if codec.width * codec.height > _MOST_PIXELS:
        raise VideoError(
            f"its header declares frames of {codec.width}x{codec.height} pixels"
        )
    return streams[0]


def _upright(frame: av.VideoFrame) -> Frame:
    """The pixels as the frame's display matrix turns them.

    A pixel (x, y) is shown at (a x + c y, b x + d y), up to a shift. Angles are rounded
    to multiples of 90 degrees.
    """
    pixels = frame.to_ndarray(format="rgb24")
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        a, b, _, c, d, *_ = _MATRIX.unpack(bytes(matrix))
        if abs(a) + abs(d) < abs(b) + abs(c):
            pixels, a, d = pixels.transpose(1, 0, 2), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(pixels)


def _quote(messages: Iterable[str]) -> str:
    """The first message and the number of different others, in brackets."""
    first, *others = list(dict.fromkeys(messages)) or [""]
    more = f" and {len(others)} more" if others else ""
    return f" (FFmpeg: {first}{more})" if first else ""


def declared_frames(path: epath.PathLike) -> int:
    """Number of frames by the header, which may be wrong; 0 where it has none."""
    path = epath.Path(path)
    if files.is_remote(path):
        return 0
    try:
        _check_file(path)
        with _open(path, None) as container:
            return _video_stream(container).frames
    except VideoError:
        return 0
