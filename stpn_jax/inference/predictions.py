"""A network's answer for a video, and how it comes together from that of its cells."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from stpn_jax.inference import batches, timeline

_MOST_FRAMES = 32
"""Of a long video that are kept to choose one from."""


@dataclasses.dataclass
class Timings:
    """Seconds that went into an answer.

    Attributes:
        decode: reading and resizing frames.
        flow: TV-L1.
        network: everything after that.
    """

    decode: float = 0.0
    flow: float = 0.0
    network: float = 0.0


@dataclasses.dataclass(frozen=True)
class Attention:
    """Where the network looked.

    Attributes:
        maps: of each snippet, over the crop; each sums to 1.
        centres: position of each snippet's centre frame in the video.
        box: the crop in pixels of the resized frame: y0 x0 y1 x1.
        frame: the resized frame nearest to the middle of the video that was looked at.
        shown: which of the maps is that frame's.
        flow: codes of the flow from that frame to the next, x then y; None for a
            network that looks at images alone.
    """

    maps: Float[np.ndarray, "n h w"]
    centres: Int[np.ndarray, "n"]
    box: tuple[int, int, int, int]
    frame: UInt8[np.ndarray, "y x 3"]
    shown: int
    flow: UInt8[np.ndarray, "2 y x"] | None


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a network says of one video.

    Attributes:
        video: its name.
        labels: the most likely classes, the most likely first.
        probabilities: theirs: the average over snippets and views, for a long video
            over its cells.
        distribution: of all classes in the network's order.
        attention: where it looked.
        timings: seconds it took.
        features: vectors by name (spatial, temporal, attended, fused), averaged.
        num_frames: of the video.
        rate: frames a second.
        windows: of a long video, each with its label; empty for a short one.
        parts: runs of one label in a long video; empty for a short one.
        warnings: what was wrong with the file, as far as it was read.
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
    windows: tuple[timeline.Window, ...]
    parts: tuple[timeline.Part, ...]
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why there is no answer for a video.

    Attributes:
        video: its name.
        reason: in one line.
    """

    video: str
    reason: str


@dataclasses.dataclass
class Collector:
    """What is known of a video while its samples are on their way.

    Attributes:
        video: its name.
        views: samples a snippet.
        central: the view whose attention is shown.
        box: of that view.
        reason: why there will be no answer; empty unless it failed.
        closed: whether all its samples were sent.
    """

    video: str
    views: int
    central: int
    box: tuple[int, int, int, int]
    timings: Timings = dataclasses.field(default_factory=Timings)
    reason: str = ""
    closed: bool = False
    rate: float = 0.0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._spans: list[tuple[int, int]] = []
        self._sums: list[np.ndarray | float] = []
        self._counts: list[int] = []
        self._features: dict[str, np.ndarray] = {}
        self._maps: dict[int, np.ndarray] = {}
        self._centres: list[int] = []
        self._frames: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._stride = 1
        self._awaited = 0

    def begin_cell(self, start: int, stop: int) -> None:
        """The snippets to come lie between these frames."""
        self._spans.append((start, stop))
        self._sums.append(0.0)
        self._counts.append(0)

    def begin_snippet(
        self,
        centre: int,
        frame: UInt8[np.ndarray, "y x 3"],
        flow: UInt8[np.ndarray, "2 y x"] | None = None,
    ) -> None:
        """The samples to come are the views of a snippet with this centre frame."""
        snippet = len(self._centres)
        self._centres.append(centre)
        if snippet % self._stride == 0:
            self._frames[snippet] = frame.copy(), flow
        if len(self._frames) > _MOST_FRAMES:
            self._stride *= 2
            self._frames = dict(list(self._frames.items())[::2])

    def receiver(self, view: int) -> batches.Receiver:
        """Takes the result of a view of the snippet that was begun last."""
        cell, snippet = len(self._spans) - 1, len(self._centres) - 1
        self._awaited += 1

        def receive(result: batches.Result) -> None:
            self._awaited -= 1
            self.timings.network += result.seconds
            self._sums[cell] = self._sums[cell] + result.probabilities
            self._counts[cell] += 1
            for name, vector in result.features.items():
                self._features[name] = self._features.get(name, 0) + vector
            if view == self.central:
                self._maps[snippet] = result.attention

        return receive

    @property
    def complete(self) -> bool:
        """Whether nothing more will come."""
        return bool(self.reason) or (self.closed and not self._awaited)

    def finish(self, labels: Sequence[str], top_k: int) -> Answer | Failure:
        """The answer, when it is complete."""
        if self.reason:
            return Failure(self.video, self.reason)
        cells = [
            timeline.Scored(*span, np.asarray(total / count))
            for span, total, count in zip(
                self._spans, self._sums, self._counts, strict=True
            )
        ]
        lengths = [cell.stop - cell.start for cell in cells]
        distribution = np.average(
            [cell.probabilities for cell in cells], axis=0, weights=lengths
        )
        best = np.argsort(-distribution, kind="stable")[:top_k]
        count = sum(self._counts)
        return Answer(
            video=self.video,
            labels=tuple(labels[i] for i in best),
            probabilities=distribution[best],
            distribution=distribution,
            attention=self._attention(cells[-1].stop),
            timings=self.timings,
            features={name: total / count for name, total in self._features.items()},
            num_frames=cells[-1].stop,
            rate=self.rate,
            windows=timeline.windows(cells, self.rate, labels),
            parts=timeline.parts(cells, self.rate, labels),
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


_LONGEST_NAME = 100
"""Bytes of a file's name without its ending; most disks allow 255."""


def as_json(found: Answer | Failure) -> dict[str, Any]:
    """What the network says of a video, or why it says nothing."""
    if isinstance(found, Failure):
        return {"video": found.video, "error": found.reason}
    return _answer(found) | _timeline(found)


def _answer(found: Answer) -> dict[str, Any]:
    return {
        "video": found.video,
        "predictions": [
            {"label": label, "probability": round(float(probability), 6)}
            for label, probability in zip(
                found.labels, found.probabilities, strict=True
            )
        ],
        "frames": found.num_frames,
        "rate": round(found.rate, 3),
        "snippets": len(found.attention.centres),
        "warnings": list(found.warnings),
        "seconds": {name: round(s, 3) for name, s in vars(found.timings).items()},
    }


def _timeline(found: Answer) -> dict[str, Any]:
    """Parts and windows of a long video; nothing of a short one."""
    if not found.parts:
        return {}
    return {"parts": _spans(found.parts), "windows": _spans(found.windows)}


def _spans(
    found: Sequence[timeline.Part] | Sequence[timeline.Window],
) -> list[dict[str, Any]]:
    return [
        {
            "start": round(one.start, 3),
            "end": round(one.end, 3),
            "label": one.label,
            "probability": round(one.probability, 6),
        }
        for one in found
    ]


def unique_names(paths: Sequence[str]) -> list[str]:
    """Names for the files of each video: its own without the ending.

    Numbered where two share one; nothing in them leads to another folder.
    """
    names: dict[str, None] = {}
    for path in paths:
        stem, number = _harmless(pathlib.PurePosixPath(path).stem), 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names[name] = None
    return list(names)


def _harmless(stem: str) -> str:
    """A name that any disk takes: printable, short, no hidden file, no path."""
    clean = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in stem)
    short = clean.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return short.lstrip(".") or "video"
