"""Predictions for videos, one after the other: read, cut, flow, network, collect."""

import collections
import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from stpn_jax.export import artifact
from stpn_jax.inference import predictions, samples, video_sources
from stpn_jax.inference.predictions import Attention, Failure, Prediction, Timings
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding

CELL_SNIPPETS = 2
"""Of each cell of a long video, unless the user says how many."""

FAST_SNIPPETS = 3

_MOST_FRAMES = 32
"""Frames of a video that are kept to choose the shown one from."""


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
        views=1,
    )
    return dataclasses.replace(model, preprocessing=settings)


def predict(
    model: artifact.Artifact, videos: Iterable[Any], options: Options, many: bool = True
) -> Iterator[Prediction | Failure]:
    """One prediction a video, in order; a bad video does not stop the others.

    Videos are paths or arrays, taken one at a time; if many, they may share a batch on
    an accelerator.
    """
    settings = model.preprocessing
    count = (options.snippets or settings.snippets) * settings.views
    queue = samples.Batches(model, samples.batch_size(count, many))
    central = samples.central_crop(settings)
    box = samples.crops(settings)[central][:4]
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


@dataclasses.dataclass
class Collector:
    """Collects the results of one video, in any order, into its prediction.

    Attributes:
        central: number of the crop whose attention is shown.
        box: that crop in pixels: y0 x0 y1 x1.
        reason: why there will be no prediction; empty unless it failed.
        closed: whether all its samples are queued.
    """

    video: str
    central: int
    box: tuple[int, int, int, int]
    timings: Timings = dataclasses.field(default_factory=Timings)
    reason: str = ""
    closed: bool = False
    rate: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Prepares for the first cell."""
        self._spans: list[tuple[int, int]] = []
        self._probabilities: list[list[np.ndarray]] = []
        self._features: dict[str, np.ndarray] = {}
        self._maps: dict[int, np.ndarray] = {}
        self._centres: list[int] = []
        self._frames: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._stride = 1
        self._awaited = 0

    def begin_cell(self, start: int, stop: int) -> None:
        """The next snippets lie between these frames."""
        self._spans.append((start, stop))
        self._probabilities.append([])

    def begin_snippet(
        self,
        centre: int,
        frame: decoding.Frame,
        flow: UInt8[np.ndarray, "2 y x"] | None = None,
    ) -> None:
        """The next samples are the crops of a snippet with this centre frame."""
        snippet = len(self._centres)
        self._centres.append(centre)
        if snippet % self._stride == 0:
            self._frames[snippet] = frame.copy(), flow
        if len(self._frames) > _MOST_FRAMES:
            self._stride *= 2
            self._frames = dict(list(self._frames.items())[::2])

    def receiver(self, crop: int) -> samples.Receiver:
        """Takes the result of a crop of the snippet that was begun last."""
        cell, snippet = self._probabilities[-1], len(self._centres) - 1
        self._awaited += 1

        def receive(result: samples.Result) -> None:
            self._awaited -= 1
            self.timings.network += result.seconds
            cell.append(result.probabilities)
            for name, vector in result.features.items():
                self._features[name] = self._features.get(name, 0) + vector
            if crop == self.central:
                self._maps[snippet] = result.attention

        return receive

    @property
    def complete(self) -> bool:
        """Whether no further result will come."""
        return bool(self.reason) or (self.closed and not self._awaited)

    def finish(self, labels: Sequence[str], top_k: int) -> Prediction | Failure:
        """The prediction, once complete."""
        if self.reason:
            return Failure(self.video, self.reason)
        cells = [
            predictions.ScoredCell(*span, np.mean(found, axis=0))
            for span, found in zip(self._spans, self._probabilities, strict=True)
        ]
        distribution = np.average(
            [cell.probabilities for cell in cells],
            axis=0,
            weights=[cell.stop - cell.start for cell in cells],
        )
        best = np.argsort(-distribution, kind="stable")[:top_k]
        count = sum(map(len, self._probabilities))
        return Prediction(
            video=self.video,
            labels=tuple(labels[i] for i in best),
            probabilities=distribution[best],
            distribution=distribution,
            attention=self._attention(cells[-1].stop),
            timings=self.timings,
            features={name: total / count for name, total in self._features.items()},
            num_frames=cells[-1].stop,
            rate=self.rate,
            windows=predictions.windows(cells, self.rate, labels),
            parts=predictions.segments(cells, self.rate, labels),
            warnings=self.warnings,
        )

    def _attention(self, num_frames: int) -> Attention:
        middle = (num_frames - 1) / 2
        shown = min(self._frames, key=lambda i: abs(self._centres[i] - middle))
        return Attention(
            maps=np.stack([self._maps[i] for i in range(len(self._centres))]),
            centres=np.array(self._centres),
            box=self.box,
            frame=self._frames[shown][0],
            shown=shown,
            flow=self._frames[shown][1],
        )


Queued = tuple[samples.Sample, samples.Receiver]


def _samples(
    settings: artifact.Preprocessing, given: Any, options: Options, collector: Collector
) -> Iterator[Queued]:
    """Samples up to the first error, which becomes the collector's reason."""
    try:
        source = video_sources.open_source(given, options.rate)
        frames = video_sources.read(source, settings.size, options.limit)
        frames = _timed(frames, collector.timings)
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
) -> Iterator[Queued]:
    plans = samples.plans(settings, len(cell.frames), count)
    started = time.perf_counter()
    flows = samples.compute_flows(settings, plans, cell.frames)
    collector.timings.flow += time.perf_counter() - started
    collector.begin_cell(cell.start, cell.start + len(cell.frames))
    for plan in plans:
        centre = plan.centre
        motion = flows.get(min(centre, len(cell.frames) - 2))
        collector.begin_snippet(cell.start + centre, cell.frames[centre], motion)
        crops = samples.samples(settings, plan, cell.frames, flows)
        for crop, sample in enumerate(crops):
            yield sample, collector.receiver(crop)


def _timed(
    frames: Iterator[decoding.Frame], timings: Timings
) -> Iterator[decoding.Frame]:
    """The frames, with the time that each takes added to `timings.decode`."""
    while True:
        started = time.perf_counter()
        frame = next(frames, None)
        timings.decode += time.perf_counter() - started
        if frame is None:
            return
        yield frame
