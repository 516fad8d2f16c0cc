"""What a network predicts for a video: classes, windows, segments; as JSON.

A window is two neighbouring cells of a long video, so that windows slide by half.
"""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

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
        probabilities: theirs: the average over snippets and crops, for a long video
            over its cells.
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


def _spans(
    found: Sequence[Segment] | Sequence[Window],
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
