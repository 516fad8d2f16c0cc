"""The work on one clip: decode, resize, compute flow, encode, and cache the result.

A clip is decoded in pieces: a long one takes hardly more memory than its JPEG files.
Frames, flow or both may be extracted already, see precomputed.extracted.
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
from stpn_jax.records import records
from stpn_jax.utils import files
from stpn_jax.video import decoding, flow_codec, imaging

_DIGESTED = 1 << 16
"""Bytes at either end of a file that go into its digest."""

Source = decoding.Video | extracted.Frames


class Task(NamedTuple):
    """One clip to encode."""

    name: str  # for the report
    path: str  # the video file, or the folder of its frames
    cache: str  # the file that keeps the result
    flow: image_series.FlowFolders | None = None  # None where it is to be computed

    def source(self) -> Source:
        """The frames, to be iterated over."""
        is_folder = epath.Path(self.path).is_dir()
        return extracted.Frames(self.path) if is_folder else decoding.Video(self.path)

    def extracted_flow(self) -> extracted.Flow | None:
        """The flow of another program; None where it is to be computed.

        Raises:
            VideoError: its images are not there.
        """
        return extracted.Flow(*image_series.flow(self.flow)) if self.flow else None

    def declared_frames(self) -> int:
        """Frames according to the header or the folder; 0 if unknown."""
        if not epath.Path(self.path).is_dir():
            return decoding.declared_frames(self.path)
        try:
            return len(image_series.frames(self.path))
        except decoding.VideoError:
            return 0


def process(task: Task, settings: encoding.Settings) -> clip_report.ClipReport:
    """Encodes a clip into its cache file, unless that is there already.

    The report on an unusable clip has an error, and there is no cache file.
    """
    cache = epath.Path(task.cache)
    if cache.exists() and (known := _read_report(cache, task)):
        return known
    try:
        source = task.source()
        encoded = encode(source, settings, task.extracted_flow())
        paths = _paths(task)
        report = clip_report.ClipReport(
            name=task.name,
            frames=len(encoded.frames),
            flows=len(encoded.flow_x),
            size=source.size,
            source_bytes=sum(path.stat().length for path in paths),
            source_digest=_digest(paths),
            record_bytes=encoded.size,
            warnings=tuple(source.warnings),
        )
    except decoding.VideoError as error:
        readable = str(error).encode(errors="backslashreplace").decode()
        return clip_report.ClipReport(name=task.name, error=readable)
    _save(cache, encoded, report)
    return report


def encode(
    source: Source | Iterable[decoding.Frame],
    settings: encoding.Settings,
    flow: extracted.Flow | None = None,
) -> encoding.Encoded:
    """Frames and flow of a clip as JPEG files; without a flow, it is computed.

    Raises:
        VideoError: the clip has fewer than two frames, is larger than a record can be,
            or has flow that does not fit its frames.
    """
    encoded = encoding.Encoded()
    frames = _encode_frames(source, settings, encoded)
    if flow is None:
        for piece in _pieces(frames):
            codes = flow_codec.compute(piece, settings.flow, settings.bound)
            for code, axis in itertools.product(codes, (0, 1)):
                file = encoding.grey(code[..., axis], settings.jpeg_quality)
                encoded.add((encoded.flow_x, encoded.flow_y)[axis], file)
    else:
        count = sum(1 for _ in frames)
        for x, y in flow.between(count, settings.leads).files(settings):
            encoded.add(encoded.flow_x, x)
            encoded.add(encoded.flow_y, y)
    return encoded


def _encode_frames(
    source: Source | Iterable[decoding.Frame],
    settings: encoding.Settings,
    encoded: encoding.Encoded,
) -> Iterator[decoding.Frame]:
    """Adds the JPEG files of frames; yields the frames at the size of the settings."""
    if isinstance(source, extracted.Frames):
        images = source.images(settings)
    else:
        resized = (imaging.resize(frame, settings.size) for frame in source)
        images = ((one, encoding.rgb(one, settings.jpeg_quality)) for one in resized)
    for frame, file in images:
        encoded.add(encoded.frames, file)
        yield frame
    if len(encoded.frames) < 2:
        raise decoding.VideoError("it has one frame, and flow needs two")


def load(cache: epath.PathLike) -> dict[str, list[bytes]]:
    """Reads the JPEG files of a cached clip, by names of records.IMAGES."""
    with np.load(io.BytesIO(epath.Path(cache).read_bytes())) as arrays:
        data, lengths = io.BytesIO(arrays["data"].tobytes()), arrays["lengths"]
    images = [data.read(length) for length in lengths.tolist()]
    flows = len(images) // 3  # n frames, then n - 1 flows of each component
    start, middle = len(images) - 2 * flows, len(images) - flows
    parts = images[:start], images[start:middle], images[middle:]
    return dict(zip(records.IMAGES, parts, strict=True))


def cache_name(name: str) -> str:
    """The file name under which the result of a clip is kept."""
    return hashlib.sha256(name.encode()).hexdigest()[:32] + ".npz"


def measure(task: Task, settings: encoding.Settings) -> tuple[float, float] | None:
    """Seconds and bytes per frame to encode a clip or its start; None if unreadable.

    Flow that is computed is compiled before.
    """
    try:
        flow = task.extracted_flow()
        frames: Iterable[decoding.Frame] = task.source()
        if flow is None:
            frames = list(itertools.islice(frames, flow_codec.chunk() + 1))
            encode(frames, settings)
        start = time.perf_counter()
        encoded = encode(frames, settings, flow)
    except decoding.VideoError:
        return None
    count = len(encoded.frames)
    return (time.perf_counter() - start) / count, encoded.size / count


def _pieces(frames: Iterable[decoding.Frame]) -> Iterator[UInt8[np.ndarray, "t y x 3"]]:
    """Pieces of flow_codec.chunk() + 1 frames or fewer, which overlap by one frame."""
    iterator = iter(frames)
    piece = list(itertools.islice(iterator, 1))
    while more := list(itertools.islice(iterator, flow_codec.chunk())):
        piece += more
        yield np.stack(piece)
        piece = piece[-1:]


def _save(
    cache: epath.Path, encoded: encoding.Encoded, report: clip_report.ClipReport
) -> None:
    """Writes the cache file; hosts and workers may write the same one."""
    images = encoded.frames + encoded.flow_x + encoded.flow_y
    data = np.frombuffer(b"".join(images), np.uint8)
    text, buffer = json.dumps(dataclasses.asdict(report)), io.BytesIO()
    np.savez(buffer, data=data, lengths=[len(image) for image in images], report=text)
    files.write_whole(cache, buffer.getvalue(), draft=str(os.getpid()))


def _read_report(cache: epath.Path, task: Task) -> clip_report.ClipReport | None:
    """The report of an earlier run on a clip, if its files have not changed since."""
    try:
        with cache.open("rb") as file, np.load(file) as arrays:
            fields = json.loads(str(arrays["report"]))
        tuples = {name: tuple(fields[name]) for name in ("size", "warnings")}
        report = clip_report.ClipReport(**fields | tuples)
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # Written incompletely, as by a power failure.
    try:
        is_same = report.source_digest == _digest(_paths(task))
    except decoding.VideoError as error:
        kept = f"prepared earlier and kept: its source cannot be read now ({error})"
        return dataclasses.replace(report, warnings=(*report.warnings, kept))
    return report if is_same else None


def _paths(task: Task) -> list[epath.Path]:
    """All files of a clip: frames, then flow x, then flow y."""
    path = epath.Path(task.path)
    frames = image_series.frames(path) if path.is_dir() else [path]
    return [*frames, *itertools.chain(*(task.extracted_flow() or ()))]


def _digest(paths: Sequence[epath.Path]) -> str:
    """Identifies the content: names and sizes of all files, and both ends of some.

    Dates are left out: they would differ between hosts that share the work.
    """
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.name} {path.stat().length}\n".encode(errors="replace"))
    for path in paths[:: max(1, len(paths) // 3)]:
        with path.open("rb") as file:
            found.update(file.read(_DIGESTED))
            file.seek(max(0, path.stat().length - _DIGESTED))
            found.update(file.read())
    return found.hexdigest()
