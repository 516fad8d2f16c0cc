"""Predictions for videos, one after the other: read, cut, flow, network, collect.

Samples are snippets of a cell of video in each crop, as network input, in batches.
"""

import collections
import dataclasses
import itertools
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, UInt8

from stpn_jax.export import artifact
from stpn_jax.inference import predictions, video_sources
from stpn_jax.inference.predictions import Collector, Failure, Prediction, Receiver
from stpn_jax.input_pipeline import sampling
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding, flow_codec

CELL_SNIPPETS = 2
"""Of each cell of a long video, unless the user says how many."""

FAST_SNIPPETS = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """How videos are classified.

    Attributes:
        top_k: classes of a prediction.
        snippets: of a short video, and of each cell (half a window) of a long one; by
            default as evaluated, and 2.
        window: seconds of a window; longer videos get a timeline. By default 10, and
            videos up to 30 seconds are taken as a whole.
        limit: longest video allowed, in seconds.
        rate: frames a second of an array of frames.
    """

    top_k: int = 5
    snippets: int | None = None
    window: float | None = None
    limit: float = 4 * 3600.0
    rate: float = video_sources.DEFAULT_RATE


def fast(model: artifact.Artifact) -> artifact.Artifact:
    """The network with the fast preset of TV-L1, one crop and three snippets."""
    settings = dataclasses.replace(
        model.preprocessing,
        flow=dataclasses.asdict(tvl1.PRESETS["fast"]),
        snippets=min(FAST_SNIPPETS, model.preprocessing.snippets),
        crops=1,
    )
    return dataclasses.replace(model, preprocessing=settings)


Flows = dict[int, UInt8[np.ndarray, "2 y x"]]
"""Codes by index, x then y."""


class Sample(NamedTuple):
    """Frames and flow stacks of one snippet in one crop, and whether to mirror it."""

    rgb: UInt8[np.ndarray, "f 3 y x"]
    flow: UInt8[np.ndarray, "k c y x"]
    flip: bool


def shape(settings: artifact.Preprocessing) -> sampling.SnippetShape:
    """Extent of a snippet."""
    return sampling.SnippetShape(
        settings.frames, settings.paths, settings.flow_length, settings.tau
    )


def plan_snippets(
    settings: artifact.Preprocessing, num_frames: int, count: int
) -> list[sampling.Plan]:
    """Snippets, evenly over a cell (section 4.7).

    Raises:
        VideoError: a single frame for a network that needs flow.
    """
    if settings.paths and num_frames < 2:
        raise decoding.VideoError("a single frame has no motion; expected 2 or more")
    own, seed = shape(settings), settings.seed
    positions = sampling.test_positions(0, num_frames, own, count, "even", seed)
    return [sampling.plan(one, own, num_frames) for one in positions]


def crops(settings: artifact.Preprocessing) -> list[sampling.Crop]:
    """The crops of the test protocol."""
    return sampling.test_crops(settings.size, settings.input_size, settings.crops)


def central_crop(settings: artifact.Preprocessing) -> int:
    """Number of the central crop that is not mirrored."""
    (central,) = sampling.test_crops(settings.size, settings.input_size, 1)
    return crops(settings).index(central)


def needed_flows(chosen: Sequence[sampling.Plan]) -> Int[np.ndarray, "n"]:
    """Indices of the flows that the snippets read, each once, increasing."""
    return np.unique(np.concatenate([one.flows for one in chosen]))


def compute_flows(
    settings: artifact.Preprocessing,
    chosen: Sequence[sampling.Plan],
    frames: UInt8[np.ndarray, "t y x 3"],
) -> Flows:
    """The flows that the snippets read of a cell's frames; no others are computed."""
    needed = needed_flows(chosen)
    parameters = tvl1.Parameters(**settings.flow)
    flows: Flows = {}
    for run in np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1):
        if len(run):
            consecutive = frames[run[0] : run[-1] + 2]
            codes = flow_codec.compute(consecutive, parameters, settings.bound)
            flows |= zip(run.tolist(), codes.transpose(0, 3, 1, 2), strict=True)
    return flows


def crop_samples(
    settings: artifact.Preprocessing,
    plan: sampling.Plan,
    frames: UInt8[np.ndarray, "t y x 3"],
    flows: Flows,
) -> Iterator[Sample]:
    """One snippet in each crop, in their order."""
    rgb = frames[plan.frames].transpose(0, 3, 1, 2)
    width, height = settings.size
    codes = np.array([flows[i] for i in plan.flows.tolist()], np.uint8)
    motion = plan.flow_stacks(codes.reshape(-1, 2, height, width))
    for y0, x0, y1, x1, flip in crops(settings):
        crop = (..., slice(y0, y1), slice(x0, x1))
        yield Sample(rgb[crop], np.asarray(motion[crop]), flip)


def batch_size(samples: int, many: bool) -> int:
    """Samples of a batch, such that one program serves all and little is padded.

    If many, videos may share a batch, which speeds up accelerators alone.
    """
    is_cpu = jax.default_backend() == "cpu"
    most = 16 if is_cpu else 64
    if many and not is_cpu:
        return most
    return math.ceil(samples / math.ceil(samples / most))


class Batches:
    """Collects samples into batches, and passes each result to its receiver."""

    def __init__(self, model: artifact.Artifact, size: int):
        self._model, self._size = model, size
        self._waiting: list[tuple[Sample, Receiver]] = []

    def add(self, sample: Sample, receiver: Receiver) -> None:
        """Takes a sample; runs the network on a full batch."""
        self._waiting.append((sample, receiver))
        if len(self._waiting) == self._size:
            self.flush()

    def flush(self) -> None:
        """Runs the network on the waiting samples, padded to a full batch."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        started = time.perf_counter()
        padded = [sample for sample, _ in waiting]
        padded += padded[-1:] * (self._size - len(waiting))
        side = self._model.preprocessing.input_size
        probabilities, attention, features = jax.device_get(
            self._model.predict(
                np.stack([sample.rgb for sample in padded]),
                np.stack([sample.flow for sample in padded]),
                np.tile(np.array([0, 0, side, side], np.float32), (len(padded), 1)),
                np.array([sample.flip for sample in padded]),
            )
        )
        share = (time.perf_counter() - started) / len(waiting)
        for i, (_, receive) in enumerate(waiting):
            vectors = {name: values[i] for name, values in features.items()}
            receive(predictions.Result(probabilities[i], attention[i], vectors, share))


def predict(
    model: artifact.Artifact, videos: Iterable[Any], options: Options, many: bool = True
) -> Iterator[Prediction | Failure]:
    """One prediction a video, in order; a bad video does not stop the others.

    Videos are paths or arrays, taken one at a time; if many, they may share a batch on
    an accelerator.
    """
    settings = model.preprocessing
    count = (options.snippets or settings.snippets) * settings.crops
    queue = Batches(model, batch_size(count, many))
    central = central_crop(settings)
    box = crops(settings)[central][:4]
    pending: collections.deque[Collector] = collections.deque()
    for given in videos:
        collector = Collector(video_sources.name(given), central, box)
        pending.append(collector)
        for sample, receiver in _samples(settings, given, options, collector):
            queue.add(sample, receiver)
        while pending and pending[0].complete:
            yield pending.popleft().finish(model.labels, options.top_k)
    queue.flush()
    for collector in pending:
        yield collector.finish(model.labels, options.top_k)


def _samples(
    settings: artifact.Preprocessing, given: Any, options: Options, collector: Collector
) -> Iterator[tuple[Sample, Receiver]]:
    """Samples up to the first error, which becomes the collector's reason."""
    try:
        source = video_sources.open_source(given, options.rate)
        frames = video_sources.read(source, settings.size, options.limit)
        frames = _timed(frames, collector)
        first = next(frames)
        collector.rate = video_sources.rate(source)
        lengths = video_sources.lengths(collector.rate, options.window)
        for cell in video_sources.cut(itertools.chain([first], frames), *lengths):
            usual = settings.snippets if cell.alone else CELL_SNIPPETS
            count = options.snippets or usual
            yield from _cell_samples(settings, cell, count, collector)
        collector.warnings = tuple(source.warnings)
        collector.closed = True
    # Damaged or hostile files make decoders fail in ways that nobody has listed.
    except Exception as error:
        text = " ".join(str(error).split())
        if not isinstance(error, decoding.VideoError):
            text = ": ".join(filter(None, (type(error).__name__, text)))
        collector.reason = text


def _cell_samples(
    settings: artifact.Preprocessing,
    cell: video_sources.Cell,
    count: int,
    collector: Collector,
) -> Iterator[tuple[Sample, Receiver]]:
    plans = plan_snippets(settings, len(cell.frames), count)
    started = time.perf_counter()
    flows = compute_flows(settings, plans, cell.frames)
    collector.timings.flow += time.perf_counter() - started
    collector.begin_cell(cell.start, cell.start + len(cell.frames))
    for plan in plans:
        centre = plan.centre
        motion = flows.get(min(centre, len(cell.frames) - 2))
        collector.begin_snippet(cell.start + centre, cell.frames[centre], motion)
        samples = crop_samples(settings, plan, cell.frames, flows)
        for crop, sample in enumerate(samples):
            yield sample, collector.receiver(crop)


def _timed(
    frames: Iterator[decoding.Frame], collector: Collector
) -> Iterator[decoding.Frame]:
    """The frames, with the time that each takes added to the collector's timings."""
    started = time.perf_counter()
    for frame in frames:
        collector.timings.decode += time.perf_counter() - started
        yield frame
        started = time.perf_counter()
