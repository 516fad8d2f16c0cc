"""Are these records right? Counts, and checks of the flow against the frames.

Flow leads from each frame to the next, so a next frame that is warped back by it is
close to the frame. Other readings of the same bytes (axes swapped, another sign,
another bound) are tried as well: where one of them fits better, the flow is wrong.
"""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from stpn_jax.data import flow, labels, records

POSITIONS = 5
"""Moments of a clip that are looked at."""

_READINGS = {
    "as it is": np.eye(2),
    "x and y swapped": np.array([[0, 1], [1, 0]]),
    "the opposite sign": -np.eye(2),
    "half the bound": 0.5 * np.eye(2),
    "twice the bound": 2 * np.eye(2),
}
_CLEARLY = 0.05  # of the change between frames
_MANY = 0.05  # of the codes
_REST = (127, 128)


class Sample(NamedTuple):
    """Some moments of one clip.

    Attributes:
        video: its index.
        frames: RGB.
        following: the frame after each of them.
        codes: the flow between the two as stored.
    """

    video: int
    frames: UInt8[np.ndarray, "t y x 3"]
    following: UInt8[np.ndarray, "t y x 3"]
    codes: UInt8[np.ndarray, "t y x 2"]


class Measures(NamedTuple):
    """What the flow of some samples is like.

    Attributes:
        length: mean displacement in pixels.
        saturated: share of codes at an end of their range.
        still: share of flow images without any motion.
        explained: reading -> share of the change between frames that it explains.
    """

    length: float
    saturated: float
    still: float
    explained: dict[str, float]


def choose(dataset: records.Dataset, count: int, seed: int = 0) -> list[int]:
    """Clips at random, spread over the classes as evenly as they can be."""
    order = labels.shuffled([str(i) for i in range(len(dataset))], str(seed))
    turns: Counter[int] = Counter()
    ranked = []
    for rank, video in enumerate(map(int, order)):
        label = int(dataset.labels[video])
        turns[label] += 1
        ranked.append((turns[label], rank, video))
    chosen = [video for *_, video in sorted(ranked)[:count]]
    return sorted(chosen, key=lambda video: (dataset.labels[video], video))


def sample(dataset: records.Dataset, video: int) -> Sample:
    """Moments evenly over a clip; a short one is looked at twice in one place."""
    last = int(dataset.num_frames[video]) - 2
    positions = np.linspace(0, last, POSITIONS).round().astype(int)
    return Sample(
        video,
        _decode(dataset.frames(video, positions), cv2.IMREAD_COLOR_RGB),
        _decode(dataset.frames(video, positions + 1), cv2.IMREAD_COLOR_RGB),
        np.stack(
            [_decode(f, cv2.IMREAD_GRAYSCALE) for f in dataset.flows(video, positions)],
            axis=-1,
        ),
    )


def measure(samples: Sequence[Sample], bound: float) -> Measures:
    """What the flow of these samples is like, at this bound in pixels."""
    codes = np.concatenate([s.codes for s in samples])
    lengths = np.linalg.norm(flow.dequantise(codes, bound), axis=-1)
    rest = np.isin(codes, _REST).all(axis=(1, 2, 3))
    return Measures(
        length=float(lengths.mean()),
        saturated=float(np.isin(codes, (0, 255)).mean()),
        still=float(rest.mean()),
        explained=_explained(samples, bound),
    )


def told(found: Measures) -> str:
    """The measures in a line."""
    return (
        f"mean displacement {found.length:.2f} pixels, {found.saturated:.1%} of the "
        f"codes saturated, {found.still:.1%} of the flow without motion; it explains "
        f"{found.explained['as it is']:.0%} of the change between frames"
    )


def doubts(dataset: records.Dataset, found: Measures) -> Iterator[str]:
    """What looks wrong, in a line each."""
    own = found.explained["as it is"]
    best = max(found.explained, key=lambda reading: found.explained[reading])
    if found.explained[best] > max(own, 0) + _CLEARLY:
        yield (
            f"the flow fits the frames better with {best} "
            f"({found.explained[best]:.0%} of their change explained, {own:.0%} as it "
            "is)"
        )
    elif own < _CLEARLY and found.still < 1:
        yield f"the flow explains {own:.0%} of the change between frames"
    if found.saturated > _MANY:
        yield (
            f"{found.saturated:.0%} of the flow's codes are at an end of their range: "
            "the bound is small for these videos"
        )
    if found.still > 0.5:
        yield f"{found.still:.0%} of the flow images show no motion at all"
    for split in range(dataset.meta.splits):
        for part in (labels.TRAIN, labels.TEST):
            places = zip(dataset.labels, dataset.membership, strict=True)
            there = {int(label) for label, place in places if place[split] == part}
            names = [c for i, c in enumerate(dataset.meta.classes) if i not in there]
            if names:
                yield (
                    f"split {split + 1}: no {part} clips of {len(names)} classes: "
                    f"{textwrap.shorten(', '.join(names), 60)}"
                )


def counts(dataset: records.Dataset) -> Iterator[str]:
    """Clips, frames and flows, and the clips of every class in split 1."""
    meta, frames = dataset.meta, dataset.num_frames
    width, height = meta.size
    yield (
        f"{meta.dataset}: {len(dataset)} clips of {len(meta.classes)} classes, "
        f"{frames.sum()} frames and {frames.sum() - len(dataset)} flows of "
        f"{width}x{height}, bound {meta.bound:g} pixels"
    )
    yield (
        f"frames a clip: {frames.min()} to {frames.max()}, median "
        f"{np.median(frames):.0f}"
    )
    for split in range(meta.splits):
        parts = Counter(place[split] for place in dataset.membership)
        told = ", ".join(f"{count} {part}" for part, count in sorted(parts.items()))
        yield f"split {split + 1}: {told}"
    yield "training and test clips of each class in split 1:"
    yield from _columns([_of_class(dataset, i) for i in range(len(meta.classes))])


def _of_class(dataset: records.Dataset, label: int) -> str:
    places = zip(dataset.labels, dataset.membership, strict=True)
    parts = Counter(place[0] for own, place in places if own == label)
    name = textwrap.shorten(dataset.meta.classes[label], 24, placeholder="...")
    return f"{name} {parts[labels.TRAIN]} {parts[labels.TEST]}"


def _columns(cells: Sequence[str]) -> Iterator[str]:
    width = max(map(len, cells)) + 2
    per_line = max(1, 88 // width)
    for start in range(0, len(cells), per_line):
        line = "".join(cell.ljust(width) for cell in cells[start : start + per_line])
        yield f"  {line}".rstrip()


def _explained(samples: Sequence[Sample], bound: float) -> dict[str, float]:
    left = dict.fromkeys(_READINGS, 0.0)
    change = 0.0
    for s in samples:
        motion = np.asarray(flow.dequantise(s.codes, bound))
        for now, after, u in zip(*map(_grey, s[1:3]), motion, strict=True):
            change += float(np.abs(after - now).sum())
            for reading, matrix in _READINGS.items():
                back = _warp(after, (u @ matrix.T).astype(np.float32))
                left[reading] += float(np.abs(back - now).sum())
    return {name: 1 - rest / max(change, 1e-9) for name, rest in left.items()}


def _warp(
    image: Float32[np.ndarray, "y x"], u: Float32[np.ndarray, "y x 2"]
) -> Float32[np.ndarray, "y x"]:
    height, width = image.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    x, y = (x + u[..., 0]).astype(np.float32), (y + u[..., 1]).astype(np.float32)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border))


def _grey(images: UInt8[np.ndarray, "t y x 3"]) -> Float32[np.ndarray, "t y x"]:
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    return np.stack(grey).astype(np.float32)


def _decode(files: Sequence[bytes], mode: int) -> UInt8[np.ndarray, "t y x *c"]:
    images = [cv2.imdecode(np.frombuffer(f, np.uint8), mode) for f in files]
    return np.stack([np.asarray(image) for image in images])
