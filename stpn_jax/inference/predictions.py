"""What a network predicts for a video: classes, windows, segments; as JSON.

A window is two neighbouring cells of a long video, so that windows slide by half.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

_MOST_FRAMES = 32
"""Frames of a video that are kept to choose the shown one from."""

_LONGEST_NAME = 100
"""Bytes of a file's name without its ending; most disks allow 255."""


@dataclasses.dataclass
class Timings:
    """Seconds spent: reading and resizing frames, TV-L1, and everything after."""

    decode: float = 0.0
    flow: float = 0.0
    network: float = 0.0


@dataclasses.dataclass(frozen=True)
class Attention:
    """The network's attention over the central crop.

    Attributes:
        maps: of each snippet, over the crop; each sums to 1.
        centres: index of each snippet's centre frame in the video.
        box: the crop in pixels of the resized frame: y0 x0 y1 x1.
        frame: the snippets' resized centre frame nearest to the middle of the video.
        shown: which of the maps is that frame's.
        flow: codes of the flow from that frame to the next, x then y; None for a
            network without flow.
    """

    maps: Float[np.ndarray, "n h w"]
    centres: Int[np.ndarray, "n"]
    box: tuple[int, int, int, int]
    frame: UInt8[np.ndarray, "y x 3"]
    shown: int
    flow: UInt8[np.ndarray, "2 y x"] | None


class ScoredCell(NamedTuple):
    """First frame of a cell, the one after its last, probabilities of the classes."""

    start: int
    stop: int
    probabilities: Float[np.ndarray, "classes"]


class Window(NamedTuple):
    """Two neighbouring cells: seconds, and the mean of both cells' probabilities."""

    start: float
    end: float
    label: str
    probability: float
    probabilities: Float[np.ndarray, "classes"]


class Segment(NamedTuple):
    """A run of cells of one label, in seconds.

    The label of a cell is the most likely class by the windows that it lies in, and the
    probability the mean of these over the cells.
    """

    start: float
    end: float
    label: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a network predicts for one video.

    Attributes:
        video: its name.
        labels: the most likely classes, the most likely first.
        probabilities: theirs, averaged over snippets and crops, or a video's cells.
        distribution: of all classes in the network's order.
        attention: over the central crop.
        timings: seconds spent.
        features: vectors by name (spatial, temporal, attended, fused), averaged.
        num_frames: of the video.
        rate: frames a second.
        windows: of a long video, each with its label; empty for a short one.
        parts: segments of one label in a long video; empty for a short one.
        warnings: damage found in the file.
    """

    video: str
    labels: tuple[str, ...]
    probabilities: Float[np.ndarray, "top"]
    distribution: Float[np.ndarray, "classes"]
    attention: Attention
    timings: Timings
    features: dict[str, Float[np.ndarray, "_"]]
    num_frames: int
    rate: float
    windows: tuple[Window, ...]
    parts: tuple[Segment, ...]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Failure:
    """A video without a prediction: its name, and the reason in one line."""

    video: str
    reason: str


def windows(
    cells: Sequence[ScoredCell], rate: float, labels: Sequence[str]
) -> tuple[Window, ...]:
    """Each pair of neighbouring cells, in order; none of a video that is one cell."""
    found = []
    for one, other in itertools.pairwise(cells):
        mean = (one.probabilities + other.probabilities) / 2
        best = int(mean.argmax())
        span = one.start / rate, other.stop / rate
        found.append(Window(*span, labels[best], float(mean[best]), mean))
    return tuple(found)


def segments(
    cells: Sequence[ScoredCell], rate: float, labels: Sequence[str]
) -> tuple[Segment, ...]:
    """Each run of one label, together the whole video; none if that is one cell."""
    if len(cells) < 2:
        return ()
    means = [window.probabilities for window in windows(cells, rate, labels)]
    # The first and the last cell lie in one window, all others in two.
    around = zip([means[0], *means], [*means, means[-1]], strict=True)
    smooth = [(before + after) / 2 for before, after in around]
    runs = itertools.groupby(range(len(cells)), lambda i: int(smooth[i].argmax()))
    found = []
    for best, run in runs:
        first, *_ = own = list(run)
        span = cells[first].start / rate, cells[own[-1]].stop / rate
        probability = float(np.mean([smooth[i][best] for i in own]))
        found.append(Segment(*span, labels[best], probability))
    return tuple(found)


class Result(NamedTuple):
    """The network's outputs for one sample, and its share of the batch's time."""

    probabilities: Float[np.ndarray, "classes"]
    attention: Float[np.ndarray, "h w"]
    features: dict[str, Float[np.ndarray, "d"]]
    seconds: float


Receiver = Callable[[Result], None]


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
        self._cells: list[tuple[int, int, list[Any]]] = []
        self._features: dict[str, np.ndarray] = {}
        self._maps: dict[int, np.ndarray] = {}
        self._centres: list[int] = []
        self._frames: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._stride = 1
        self._awaited = 0

    def begin_cell(self, start: int, stop: int) -> None:
        """The next snippets lie between these frames."""
        self._cells.append((start, stop, [0.0, 0]))

    def begin_snippet(
        self,
        centre: int,
        frame: UInt8[np.ndarray, "y x 3"],
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

    def receiver(self, crop: int) -> Receiver:
        """Takes the result of a crop of the snippet that was begun last."""
        (_, _, cell), snippet = self._cells[-1], len(self._centres) - 1
        self._awaited += 1

        def receive(result: Result) -> None:
            self._awaited -= 1
            self.timings.network += result.seconds
            cell[:] = cell[0] + result.probabilities, cell[1] + 1
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
            ScoredCell(start, stop, np.asarray(total / samples))
            for start, stop, (total, samples) in self._cells
        ]
        lengths = [cell.stop - cell.start for cell in cells]
        distribution = np.average([c.probabilities for c in cells], 0, lengths)
        best = np.argsort(-distribution, kind="stable")[:top_k]
        count = sum(samples for _, _, (_, samples) in self._cells)
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
            windows=windows(cells, self.rate, labels),
            parts=segments(cells, self.rate, labels),
            warnings=self.warnings,
        )

    def _attention(self, num_frames: int) -> Attention:
        middle = (num_frames - 1) / 2
        shown = min(self._frames, key=lambda i: abs(self._centres[i] - middle))
        frame, flow = self._frames[shown]
        return Attention(
            maps=np.stack([self._maps[i] for i in range(len(self._centres))]),
            centres=np.array(self._centres),
            box=self.box,
            frame=frame,
            shown=shown,
            flow=flow,
        )


def as_json(found: Prediction | Failure) -> dict[str, Any]:
    """What `predict` prints for a video."""
    if isinstance(found, Failure):
        return {"video": found.video, "error": found.reason}
    ranked = zip(found.labels, found.probabilities, strict=True)
    report = {
        "video": found.video,
        "predictions": [
            {"label": label, "probability": round(float(probability), 6)}
            for label, probability in ranked
        ],
        "frames": found.num_frames,
        "rate": round(found.rate, 3),
        "snippets": len(found.attention.centres),
        "warnings": list(found.warnings),
        "seconds": {name: round(s, 3) for name, s in vars(found.timings).items()},
    }
    if found.parts:
        report |= {"parts": _spans(found.parts), "windows": _spans(found.windows)}
    return report


def _spans(found: Sequence[Segment] | Sequence[Window]) -> list[dict[str, Any]]:
    return [
        {"start": round(start, 3), "end": round(end, 3)}
        | {"label": label, "probability": round(probability, 6)}
        for start, end, label, probability, *_ in found
    ]


def unique_names(paths: Sequence[str]) -> list[str]:
    """Names for the files of each video: its own without the ending, numbered if taken.

    None contains a path to another folder.
    """
    names: dict[str, None] = {}
    for path in paths:
        stem, number = _safe_name(pathlib.PurePosixPath(path).stem), 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names[name] = None
    return list(names)


def _safe_name(stem: str) -> str:
    """A name that any disk accepts: printable, short, no hidden file, no path."""
    clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in stem)
    short = clean.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return short.lstrip(".") or "video"
