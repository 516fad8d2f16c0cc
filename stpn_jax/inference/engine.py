"""Answers for videos, one after the other: read, cut, flow, network, collect."""

import collections
import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from stpn_jax.export import artifact
from stpn_jax.inference import batches, snippets, timeline, video_sources
from stpn_jax.inference.predictions import Answer, Collector, Failure, Timings
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding

CELL_SNIPPETS = 2
"""Of each cell of a long video, unless the user says how many."""

FAST_SNIPPETS = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """How videos are looked at.

    Attributes:
        top_k: classes of an answer.
        snippets: of a short video, and of each cell (half a window) of a long one; by
            default as evaluated, and 2.
        window: seconds of a window; longer videos get a timeline. By default 10, and
            videos up to 30 seconds are taken as a whole.
        limit: seconds that a video may last.
        rate: frames a second of an array of frames.
    """

    top_k: int = 5
    snippets: int | None = None
    window: float | None = None
    limit: float = 4 * 3600.0
    rate: float = video_sources.DEFAULT_RATE


def fast(model: artifact.Artifact) -> artifact.Artifact:
    """The network with the fast preset of TV-L1, one view and three snippets."""
    settings = dataclasses.replace(
        model.preprocessing,
        flow=dataclasses.asdict(tvl1.PRESETS["fast"]),
        snippets=min(FAST_SNIPPETS, model.preprocessing.snippets),
        views=1,
    )
    return dataclasses.replace(model, preprocessing=settings)


def answers(
    model: artifact.Artifact, videos: Iterable[Any], options: Options, many: bool = True
) -> Iterator[Answer | Failure]:
    """One answer a video, in order; a bad video does not stop the others.

    Args:
        model: the network.
        videos: paths or arrays, taken one at a time.
        options: how they are looked at.
        many: whether videos may share a batch on an accelerator.
    """
    settings = model.preprocessing
    samples = (options.snippets or settings.snippets) * settings.views
    queue = batches.Batches(model, batches.size(samples, many))
    pending: collections.deque[Collector] = collections.deque()
    central = snippets.central(settings)
    box = snippets.views(settings)[central][:4]
    for given in videos:
        collector = Collector(video_sources.name(given), settings.views, central, box)
        pending.append(collector)
        for sample, receiver in _guarded(
            _samples(model, given, options, collector), collector
        ):
            queue.add(sample, receiver)
        while pending and pending[0].complete:
            yield pending.popleft().finish(model.labels, options.top_k)
    queue.flush()
    for collector in pending:
        yield collector.finish(model.labels, options.top_k)


Sent = tuple[snippets.Sample, batches.Receiver]


def _guarded(samples: Iterator[Sent], collector: Collector) -> Iterator[Sent]:
    """The samples up to the first error, which becomes the collector's reason."""
    try:
        yield from samples
        collector.closed = True
    # Damaged or hostile files make decoders fail in ways that nobody has listed.
    except Exception as error:
        collector.reason = _reason(error)


def _samples(
    model: artifact.Artifact, given: Any, options: Options, collector: Collector
) -> Iterator[Sent]:
    """All samples of a video, each with who takes its result."""
    found = video_sources.open_source(given, options.rate)
    settings = model.preprocessing
    frames = video_sources.read(found, settings.size, options.limit)
    frames = _timed(frames, collector.timings)
    first = next(frames)
    collector.rate = video_sources.rate(found)
    lengths = timeline.lengths(collector.rate, options.window)
    for cell in timeline.cut(itertools.chain([first], frames), *lengths):
        usual = settings.snippets if cell.alone else CELL_SNIPPETS
        yield from _of_cell(model, cell, options.snippets or usual, collector)
    collector.warnings = tuple(found.warnings)


def _of_cell(
    model: artifact.Artifact, cell: timeline.Cell, count: int, collector: Collector
) -> Iterator[Sent]:
    settings = model.preprocessing
    chosen = snippets.moments(settings, len(cell.frames), count)
    started = time.perf_counter()
    flows = snippets.needed_flows(settings, chosen, cell.frames)
    collector.timings.flow += time.perf_counter() - started
    collector.begin_cell(cell.start, cell.start + len(cell.frames))
    for moment in chosen:
        centre = moment.centre
        motion = flows.get(min(centre, len(cell.frames) - 2))
        collector.begin_snippet(cell.start + centre, cell.frames[centre], motion)
        views = snippets.samples(settings, moment, cell.frames, flows)
        for view, sample in enumerate(views):
            yield sample, collector.receiver(view)


def _timed(
    frames: Iterator[UInt8[np.ndarray, "y x 3"]], timings: Timings
) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    """The frames, with the time that each takes added to `timings.decode`."""
    while True:
        started = time.perf_counter()
        frame = next(frames, None)
        timings.decode += time.perf_counter() - started
        if frame is None:
            return
        yield frame


def _reason(error: Exception) -> str:
    """An error in one line; of what is expected to happen, the message alone."""
    text = " ".join(str(error).split())
    if isinstance(error, decoding.VideoError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
