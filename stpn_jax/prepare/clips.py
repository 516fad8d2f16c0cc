"""The work on one clip: decode, resize, flow, JPEG, and the file that keeps the result.

A clip is read in pieces, so that its length does not matter for the memory it takes.
Frames, flow or both may have been extracted already, see data.extracted.
"""

import dataclasses
import hashlib
import io
import itertools
import json
import os
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.prepare import clip_report, encoding
from stpn_jax.prepare.precomputed import extracted, image_series
from stpn_jax.video import decoding, flow_codec

_HEAD = 1 << 16
"""Bytes at either end of a file that tell it from another of the same length."""


class Task(NamedTuple):
    """One clip to encode.

    Attributes:
        name: of the clip, for the report.
        path: the video file, or the folder of its frames.
        cache: the file that keeps the result.
        flow: folders of its flow; None where it is to be computed.
    """

    name: str
    path: str
    cache: str
    flow: image_series.FlowFolders | None = None

    def source(self) -> decoding.Video | extracted.Frames:
        """The frames, to be iterated over."""
        is_folder = epath.Path(self.path).is_dir()
        return extracted.Frames(self.path) if is_folder else decoding.Video(self.path)

    def given_flow(self) -> extracted.Flow | None:
        """The flow, where it is not to be computed.

        Raises:
            VideoError: it is not there.
        """
        if self.flow is None:
            return None
        return extracted.Flow(*image_series.flow(self.flow))


class Pace(NamedTuple):
    """What one clip took: seconds and bytes for each of its frames."""

    seconds: float
    bytes: float


def process(task: Task, settings: encoding.Settings) -> clip_report.ClipReport:
    """Encodes a clip into its cache file, unless that is there already.

    Returns:
        what is to be told about the clip; a clip that cannot be used has an error and
        no cache file.
    """
    cache = epath.Path(task.cache)
    if cache.exists() and (known := _read_report(cache, task)):
        return known
    try:
        source = task.source()
        encoded = encode(source, settings, task.given_flow())
        files = _files(task)
        told = clip_report.ClipReport(
            name=task.name,
            frames=len(encoded.frames),
            flows=len(encoded.flow_x),
            size=source.size,
            source_bytes=_bytes(files),
            source_digest=_digest(files),
            record_bytes=encoded.size,
            warnings=tuple(source.warnings),
        )
    except decoding.VideoError as error:
        readable = str(error).encode(errors="backslashreplace").decode()
        return clip_report.ClipReport(name=task.name, error=readable)
    _save(cache, encoded, told)
    return told


def encode(
    source: Iterable[decoding.Frame],
    settings: encoding.Settings,
    given: extracted.Flow | None = None,
) -> encoding.Encoded:
    """Frames and flow of a clip as JPEG files.

    Args:
        source: the frames.
        settings: how they are encoded.
        given: the flow, where it is not to be computed.

    Raises:
        VideoError: fewer than two frames, or more than a record holds, or flow that
            does not fit them.
    """
    if given is not None:
        return extracted.encode(source, given, settings)
    encoded = encoding.Encoded()
    resized = (decoding.resize(frame, settings.size) for frame in source)
    quality = settings.jpeg_quality
    for frames, is_first in _pieces(resized):
        codes = flow_codec.compute(frames, settings.flow, settings.bound)
        new = frames if is_first else frames[1:]
        encoded.frames += [encoding.rgb(frame, quality) for frame in new]
        encoded.flow_x += [encoding.grey(code, quality) for code in codes[..., 0]]
        encoded.flow_y += [encoding.grey(code, quality) for code in codes[..., 1]]
        encoded.check_size()
    if not encoded.frames:
        raise decoding.VideoError("it has one frame, and flow needs two")
    if isinstance(source, extracted.Frames):
        encoded.frames = list(source.files(settings))
    return encoded


def load(cache: epath.PathLike) -> encoding.Encoded:
    """Reads what process() kept of a clip."""
    with np.load(io.BytesIO(epath.Path(cache).read_bytes())) as arrays:
        data, lengths = arrays["data"].tobytes(), arrays["lengths"]
    ends = np.cumsum(lengths)
    images = [
        data[end - length : end] for end, length in zip(ends, lengths, strict=True)
    ]
    flows = len(images) // 3
    frames = len(images) - 2 * flows
    return encoding.Encoded(
        images[:frames], images[frames : frames + flows], images[frames + flows :]
    )


def cache_name(name: str) -> str:
    """The file name under which the result of a clip is kept."""
    return hashlib.sha256(name.encode()).hexdigest()[:32] + ".npz"


def declared_frames(task: Task) -> int:
    """Frames of a clip as its header or its folder says; 0 if neither does."""
    if not epath.Path(task.path).is_dir():
        return decoding.declared_frames(task.path)
    try:
        return len(image_series.frames(task.path))
    except decoding.VideoError:
        return 0


def measure(task: Task, settings: encoding.Settings) -> Pace | None:
    """Encodes a clip, or its start, once for compilation and once for its pace.

    Returns:
        None for a clip that cannot be read.
    """
    try:
        given = task.given_flow()
        frames: Iterable[decoding.Frame] = task.source()
        if given is None:
            frames = list(itertools.islice(frames, flow_codec.chunk() + 1))
            encode(frames, settings)
        start = time.perf_counter()
        encoded = encode(frames, settings, given)
    except decoding.VideoError:
        return None
    count = len(encoded.frames)
    return Pace((time.perf_counter() - start) / count, encoded.size / count)


def _pieces(
    frames: Iterable[decoding.Frame],
) -> Iterator[tuple[UInt8[np.ndarray, "t y x 3"], bool]]:
    """Runs of flow.chunk() + 1 frames or fewer, each starting where one ended."""
    iterator = iter(frames)
    piece = list(itertools.islice(iterator, 1))
    is_first = True
    while more := list(itertools.islice(iterator, flow_codec.chunk())):
        piece += more
        yield np.stack(piece), is_first
        piece, is_first = piece[-1:], False


def _save(
    cache: epath.Path, encoded: encoding.Encoded, told: clip_report.ClipReport
) -> None:
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


def _read_report(cache: epath.Path, task: Task) -> clip_report.ClipReport | None:
    """What an earlier run told about a clip, if its file has not changed since."""
    try:
        with cache.open("rb") as file, np.load(file) as arrays:
            told = clip_report.ClipReport.from_json(json.loads(str(arrays["report"])))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # The power failed before the disk had it all.
    try:
        files = _files(task)
        if told.source_digest:
            same = told.source_digest == _digest(files)
        else:  # Of a version that did not note it.
            same = told.source_bytes == _bytes(files)
    except decoding.VideoError as error:
        kept = f"made before, and kept: its source is out of reach now ({error})"
        return dataclasses.replace(told, warnings=(*told.warnings, kept))
    return told if same else None


def _files(task: Task) -> list[epath.Path]:
    """All the files that a clip is made of; frames, then flow in x, then in y."""
    path = epath.Path(task.path)
    files = image_series.frames(path) if path.is_dir() else [path]
    return [*files, *itertools.chain(*(task.given_flow() or ()))]


def _bytes(files: Sequence[epath.Path]) -> int:
    return sum(file.stat().length for file in files)


def _digest(files: Sequence[epath.Path]) -> str:
    """Tells a clip from another: names and sizes of its files, and an end of some.

    Dates would differ between the hosts that share the work.
    """
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.name} {file.stat().length}\n".encode(errors="replace"))
    for file in files[:: max(1, len(files) // 3)]:
        with file.open("rb") as opened:
            found.update(opened.read(_HEAD))
            opened.seek(max(0, file.stat().length - _HEAD))
            found.update(opened.read())
    return found.hexdigest()
