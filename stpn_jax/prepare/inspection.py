"""Are these records right? Counts, and checks of the flow against the frames.

Flow leads from each frame to the next, so a next frame that is warped back by it is
close to the frame. Other readings of the same bytes (axes swapped, another sign,
another bound) are tried as well: where one of them fits better, the flow is wrong.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from stpn_jax.datasets import official_splits
from stpn_jax.records import records
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import flow_codec

POSITIONS = 5
"""Moments of a clip that are looked at."""

AS_IT_IS = "as it is"
_READINGS = {
    AS_IT_IS: np.eye(2),
    "x and y swapped": np.array([[0, 1], [1, 0]]),
    "the opposite sign": -np.eye(2),
    "the opposite sign of x": np.diag([-1, 1]),
    "the opposite sign of y": np.diag([1, -1]),
    "half the bound": 0.5 * np.eye(2),
    "twice the bound": 2 * np.eye(2),
}
_PLACES = (official_splits.TRAIN, official_splits.TEST, official_splits.NONE)
_MOVES = 0.5  # pixels: below, a step of the code and noise are most of the change
_FEW = 0.002  # of the pixels: what so few say is chance
_CLEARLY = 0.05  # of the change between frames
_MANY = 0.05  # of the codes
_REST = (127, 128)
_LIMITS = (1, 254)  # JPEG moves the ends of the range by one


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
        moving: share of pixels that move by more than half a pixel.
        explained: reading -> share of the change between frames that it explains,
            where something moves; NaN where nothing does.
    """

    length: float
    saturated: float
    still: float
    moving: float
    explained: dict[str, float]


def choose(dataset: records.Dataset, count: int, seed: int = 0) -> list[int]:
    """Clips at random, spread over classes and places in split 1 as evenly as can be.

    A larger count has the clips of a smaller one and more.

    Args:
        dataset: open records.
        count: clips wanted; fewer are returned where there are fewer.
        seed: draws them.

    Returns:
        indices in the order of their classes.
    """
    order = [
        int(i)
        for i in official_splits.shuffled(map(str, range(len(dataset))), str(seed))
    ]
    turns: Counter[tuple[int, str]] = Counter()
    by_class: dict[int, list[tuple[int, int, int, int]]] = {}
    for rank, video in enumerate(order):
        label, place = int(dataset.labels[video]), dataset.membership[video][0]
        turns[label, place] += 1
        # Neighbouring classes begin with different places.
        place_turn = (_PLACES.index(place) + label) % len(_PLACES)
        by_class.setdefault(label, []).append(
            (turns[label, place], place_turn, rank, video)
        )
    ranked = [
        (turn, rank, video)
        for clips in by_class.values()
        for turn, (_, _, rank, video) in enumerate(sorted(clips))
    ]
    chosen = [video for *_, video in sorted(ranked)[:count]]
    return sorted(chosen, key=lambda video: (dataset.labels[video], video))


def sample(dataset: records.Dataset, video: int) -> Sample:
    """Moments evenly over a clip; a short one is looked at twice in one place.

    Raises:
        UsageError: an image cannot be read; it names the clip.
    """
    last = int(dataset.num_frames[video]) - 2
    positions = np.linspace(0, last, POSITIONS).round().astype(int)

    def decode(files: Sequence[bytes], mode: int) -> UInt8[np.ndarray, "t y x *c"]:
        return np.stack([_decode(file, mode, dataset, video) for file in files])

    components = dataset.flows(video, positions)
    return Sample(
        video,
        decode(dataset.frames(video, positions), cv2.IMREAD_COLOR_RGB),
        decode(dataset.frames(video, positions + 1), cv2.IMREAD_COLOR_RGB),
        np.stack([decode(files, cv2.IMREAD_GRAYSCALE) for files in components], -1),
    )


def measure(samples: Iterable[Sample], bound: float) -> Measures:
    """What the flow of these samples is like; one of them is held at a time.

    Args:
        samples: at least one.
        bound: displacement in pixels of the code 255.
    """
    shares = []
    change, left = 0.0, dict.fromkeys(_READINGS, 0.0)
    for one in samples:
        shares.append(_shares(one.codes, bound))
        own_change, own_left = _differences(one, bound)
        change += own_change
        left = {reading: left[reading] + own_left[reading] for reading in left}
    length, saturated, still, moving = np.mean(shares, axis=0).tolist()
    explained = {
        reading: 1 - rest / change if change else float("nan")
        for reading, rest in left.items()
    }
    return Measures(length, saturated, still, moving, explained)


def told(found: Measures) -> str:
    """The measures in a line."""
    return (
        f"mean displacement {found.length:.2f} pixels, {found.saturated:.1%} of the "
        f"codes saturated, {found.still:.1%} of the flow without motion; "
        f"{_explains(found)}"
    )


def described(dataset: records.Dataset, one: Sample) -> tuple[str, tuple[str, ...]]:
    """The class of a clip, and what else is to be known of it in a line each."""
    return dataset.meta.classes[dataset.labels[one.video]], (
        f"splits: {' '.join(dataset.membership[one.video])}",
        f"{dataset.num_frames[one.video]} frames",
        _explains(measure([one], dataset.meta.bound)),
        dataset.names[one.video],
    )


def doubts(dataset: records.Dataset, found: Measures) -> Iterator[str]:
    """What looks wrong, in a line each."""
    if found.moving < _FEW:
        yield f"hardly anything moves: {found.still:.0%} of the flow images are at rest"
    else:
        yield from misfits(found.explained)
    if found.saturated > _MANY:
        yield (
            f"{found.saturated:.0%} of the flow's codes are at an end of their range: "
            "the bound is small for these videos"
        )
    if found.still > 0.5 and found.moving >= _FEW:
        yield f"{found.still:.0%} of the flow images show no motion at all"
    yield from missing_parts(dataset)


def missing_parts(dataset: records.Dataset) -> Iterator[str]:
    """Classes without training or without test clips, a line for each split."""
    for split in range(dataset.meta.splits):
        for part in (official_splits.TRAIN, official_splits.TEST):
            places = zip(dataset.labels, dataset.membership, strict=True)
            there = {int(label) for label, place in places if place[split] == part}
            names = [c for i, c in enumerate(dataset.meta.classes) if i not in there]
            if names:
                yield (
                    f"split {split + 1}: no {part} clips of {len(names)} of "
                    f"{len(dataset.meta.classes)} classes: "
                    f"{textwrap.shorten(', '.join(names), 60)}"
                )


def misfits(explained: dict[str, float]) -> Iterator[str]:
    """The reading that fits the frames better than the flow as it is, if one does."""
    own = explained[AS_IT_IS]
    best = max(explained, key=lambda reading: explained[reading])
    if explained[best] > max(own, 0) + _CLEARLY:
        yield (
            f"the flow fits the frames better with {best} ({explained[best]:.0%} of "
            f"their change explained, {own:.0%} as it is)"
        )
    elif own < _CLEARLY:
        yield f"the flow explains {own:.0%} of the change between frames"


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
    return f"{name} {parts[official_splits.TRAIN]} {parts[official_splits.TEST]}"


def _columns(cells: Sequence[str]) -> Iterator[str]:
    width = max(map(len, cells)) + 2
    per_line = max(1, 88 // width)
    for start in range(0, len(cells), per_line):
        line = "".join(cell.ljust(width) for cell in cells[start : start + per_line])
        yield f"  {line}".rstrip()


def _explains(found: Measures) -> str:
    if found.moving < _FEW:
        return "hardly anything moves"
    return f"flow explains {found.explained[AS_IT_IS]:.0%} of the change"


def _shares(
    codes: UInt8[np.ndarray, "t y x 2"], bound: float
) -> tuple[float, float, float, float]:
    """Measures without what is explained."""
    lengths = np.linalg.norm(flow_codec.dequantise(codes, bound), axis=-1)
    saturated = (codes <= _LIMITS[0]) | (codes >= _LIMITS[1])
    rest = np.isin(codes, _REST).all(axis=(1, 2, 3))
    length, ends, still, moving = (
        float(part.mean()) for part in (lengths, saturated, rest, lengths > _MOVES)
    )
    return length, ends, still, moving


def _differences(one: Sample, bound: float) -> tuple[float, dict[str, float]]:
    """Change in grey levels where something moves, and what each reading leaves."""
    change, left = 0.0, dict.fromkeys(_READINGS, 0.0)
    motion = np.asarray(flow_codec.dequantise(one.codes, bound))
    frames = zip(_grey(one.frames), _grey(one.following), motion, strict=True)
    for now, after, u in frames:
        moves = np.linalg.norm(u, axis=-1) > _MOVES
        change += float(np.abs(after - now)[moves].sum())
        for reading, matrix in _READINGS.items():
            back = _warp(after, (u @ matrix.T).astype(np.float32))
            left[reading] += float(np.abs(back - now)[moves].sum())
    return change, left


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


def _decode(
    file: bytes, mode: int, dataset: records.Dataset, video: int
) -> UInt8[np.ndarray, "y x *c"]:
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), mode)
    except cv2.error:
        pixels = None
    width, height = dataset.meta.size
    if pixels is None or pixels.shape[:2] != (height, width):
        raise UsageError(
            f"clip {dataset.names[video]}: an image in the records is not a JPEG of "
            f"{width}x{height}: delete the data_dir and prepare it again"
        )
    return np.asarray(pixels)
