"""The work on one clip: decode, resize, flow, JPEG, and the file that keeps the result.

A clip is read in pieces, so that its length does not matter for the memory it takes.
"""

import dataclasses
import hashlib
import io
import itertools
import json
import os
import time
import zipfile
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.data import flow, report, video
from stpn_jax.ops import tvl1

_RECORD_LIMIT = 1 << 30
"""Bytes of one record: TensorFlow writes and parses none above 2 GiB."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How clips are encoded.

    Attributes:
        size: width and height in pixels.
        bound: see data.flow.
        jpeg_quality: of frames and flow.
        flow: parameters of TV-L1.
    """

    size: tuple[int, int]
    bound: float
    jpeg_quality: int
    flow: tvl1.Parameters


class Task(NamedTuple):
    """One clip to encode.

    Attributes:
        name: of the clip, for the report.
        path: the video file.
        cache: the file that keeps the result.
    """

    name: str
    path: str
    cache: str


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


class Pace(NamedTuple):
    """What one clip took: seconds and bytes for each of its frames."""

    seconds: float
    bytes: float


def process(task: Task, settings: Settings) -> report.ClipReport:
    """Encodes a clip into its cache file, unless that is there already.

    Returns:
        what is to be told about the clip; a clip that cannot be used has an error and
        no cache file.
    """
    cache = epath.Path(task.cache)
    if cache.exists() and (known := _read_report(cache, task)):
        return known
    source = video.Video(task.path)
    try:
        encoded = encode(source, settings)
    except video.VideoError as error:
        return report.ClipReport(name=task.name, error=str(error))
    told = report.ClipReport(
        name=task.name,
        frames=len(encoded.frames),
        flows=len(encoded.flow_x),
        size=source.size,
        source_bytes=epath.Path(task.path).stat().length,
        record_bytes=encoded.size,
        warnings=tuple(source.warnings),
    )
    _save(cache, encoded, told)
    return told


def encode(source: Iterable[video.Frame], settings: Settings) -> Encoded:
    """Frames and flow of a clip as JPEG files.

    Raises:
        VideoError: fewer than two frames, or more than a record holds.
    """
    encoded = Encoded()
    resized = (video.resize(frame, settings.size) for frame in source)
    for frames, is_first in _pieces(resized):
        codes = flow.compute(frames, settings.flow, settings.bound)
        new = frames if is_first else frames[1:]
        encoded.frames += [_rgb(frame, settings.jpeg_quality) for frame in new]
        encoded.flow_x += [_grey(code, settings.jpeg_quality) for code in codes[..., 0]]
        encoded.flow_y += [_grey(code, settings.jpeg_quality) for code in codes[..., 1]]
        if encoded.size > _RECORD_LIMIT:
            raise video.VideoError(
                f"longer than a record of {_RECORD_LIMIT >> 20} MiB holds (which is "
                f"about {len(encoded.frames)} frames of it): cut it into shorter clips"
            )
    if not encoded.frames:
        raise video.VideoError("it has one frame, and flow needs two")
    return encoded


def load(cache: epath.PathLike) -> Encoded:
    """Reads what process() kept of a clip."""
    with np.load(io.BytesIO(epath.Path(cache).read_bytes())) as arrays:
        data, lengths = arrays["data"].tobytes(), arrays["lengths"]
    ends = np.cumsum(lengths)
    images = [
        data[end - length : end] for end, length in zip(ends, lengths, strict=True)
    ]
    flows = len(images) // 3
    frames = len(images) - 2 * flows
    return Encoded(
        images[:frames], images[frames : frames + flows], images[frames + flows :]
    )


def cache_name(name: str) -> str:
    """The file name under which the result of a clip is kept."""
    return hashlib.sha256(name.encode()).hexdigest()[:32] + ".npz"


def measure(path: str, settings: Settings) -> Pace | None:
    """Encodes the start of a clip, once for compilation and once for its pace.

    Returns:
        None for a clip that cannot be read.
    """
    try:
        head = list(itertools.islice(video.Video(path), flow.chunk() + 1))
        encode(head, settings)
        start = time.perf_counter()
        size = encode(head, settings).size
    except video.VideoError:
        return None
    return Pace((time.perf_counter() - start) / len(head), size / len(head))


def _pieces(
    frames: Iterable[video.Frame],
) -> Iterator[tuple[UInt8[np.ndarray, "t y x 3"], bool]]:
    """Runs of flow.chunk() + 1 frames or fewer, each starting where one ended."""
    iterator = iter(frames)
    piece = list(itertools.islice(iterator, 1))
    is_first = True
    while more := list(itertools.islice(iterator, flow.chunk())):
        piece += more
        yield np.stack(piece), is_first
        piece, is_first = piece[-1:], False


def _rgb(image: UInt8[np.ndarray, "y x 3"], quality: int) -> bytes:
    return _jpeg(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)


def _grey(image: UInt8[np.ndarray, "y x"], quality: int) -> bytes:
    return _jpeg(np.ascontiguousarray(image), quality)


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _save(cache: epath.Path, encoded: Encoded, told: report.ClipReport) -> None:
    """Writes the cache file under another name first: it is whole or not there."""
    images = encoded.frames + encoded.flow_x + encoded.flow_y
    buffer = io.BytesIO()
    np.savez(
        buffer,
        data=np.frombuffer(b"".join(images), np.uint8),
        lengths=np.array([len(image) for image in images]),
        report=np.array(json.dumps(dataclasses.asdict(told))),
    )
    partial = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(cache)
    finally:
        partial.unlink(missing_ok=True)


def _read_report(cache: epath.Path, task: Task) -> report.ClipReport | None:
    """What an earlier run told about a clip, if its file has not changed since."""
    try:
        with cache.open("rb") as file, np.load(file) as arrays:
            told = report.ClipReport.from_json(json.loads(str(arrays["report"])))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # The power failed before the disk had it all.
    same = told.source_bytes == epath.Path(task.path).stat().length
    return told if same else None
