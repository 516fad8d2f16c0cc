"""Our TV-L1 flow against OpenCV's on real pairs, beside OpenCV against itself.

    python -m benchmarks.tvl1_accuracy --clips=VIDEOS

OpenCV against itself, with either image made one part in 1e7 lighter or darker, tells
how much of a difference means nothing: iterations stop by a threshold, and rounding
moves the stop. Of these four the mean is printed, and the one with the fewest equal
codes is what a clip's own are held against.
Codes are the bytes that records keep, at a bound of 20 pixels.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from stpn_jax.ops import tvl1
from stpn_jax.video import flow_codec

_CHANGES = (1 + np.float32(1e-7), 1 - np.float32(1e-7))


class Difference(NamedTuple):
    """How far apart two flows are.

    Attributes:
        distance: mean end-point error in pixels.
        codes: share of equal bytes.
        within_one: share of bytes that differ by one at most.
    """

    distance: float
    codes: float
    within_one: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=24, help="of clips")
    parser.add_argument("--pairs", type=int, default=3, help="of each clip")
    parser.add_argument("--size", default="340x256")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preset", choices=tvl1.PRESETS, default="default")
    parser.add_argument("--together", type=int, default=1, help="pairs side by side")
    options = parser.parse_args()
    paths = sorted(options.clips.rglob("*.avi"))
    chosen = np.random.default_rng(options.seed).permutation(len(paths))
    size = tuple(map(int, options.size.split("x")))
    rows, enough = [], []
    print("clip: ours (distance, equal codes, within one), OpenCV against itself")
    for path in (paths[i] for i in chosen[: options.count]):
        first, second = pairs(path, options.pairs, size)
        parameters = tvl1.PRESETS[options.preset]
        ours = np.asarray(tvl1.flow(first, second, parameters, options.together))
        own, *others = compare(first, second, ours)
        rows.append((own, np.mean(others, axis=0)))
        least = min(other.codes for other in others)
        enough.append(own.codes >= min(0.9, least))
        print(
            f"{path.stem[:40]:40s} {describe(rows[-1])}   fewest {100 * least:5.1f} %",
            flush=True,
        )
    table = np.array(rows)
    print(f"{'mean of ' + str(len(rows)):40s} {describe(table.mean(axis=0))}")
    print(f"{'median':40s} {describe(np.median(table, axis=0))}")
    print(f"codes equal on 90 % or as often as OpenCV's own: {sum(enough)} clips")


def pairs(
    path: pathlib.Path, count: int, size: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """First and second images of consecutive pairs from the start of a clip."""
    video = cv2.VideoCapture(str(path))
    grey = []
    for _ in range(count + 1):
        found, frame = video.read()
        if found:
            grey.append(cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_BGR2GRAY))
    images = np.stack(grey)
    return images[:-1], images[1:]


def compare(
    first: np.ndarray, second: np.ndarray, ours: np.ndarray
) -> list[Difference]:
    """Ours against OpenCV, then OpenCV against itself for each change of an image."""
    # Given floats, OpenCV takes them to lie between 0 and 1.
    unit = [images.astype(np.float32) / 255 for images in (first, second)]
    expected = opencv(*unit)
    changed = [opencv(unit[0] * change, unit[1]) for change in _CHANGES]
    changed += [opencv(unit[0], unit[1] * change) for change in _CHANGES]
    return [difference(found, expected) for found in (ours, *changed)]


def opencv(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    flows = [method.calc(a, b, None) for a, b in zip(first, second, strict=True)]
    return np.stack(flows)


def difference(found: np.ndarray, expected: np.ndarray) -> Difference:
    distance = np.linalg.norm(found - expected, axis=-1).mean()
    codes = [np.asarray(flow_codec.quantise(u)).astype(int) for u in (found, expected)]
    apart = np.abs(codes[0] - codes[1])
    return Difference(distance, np.mean(apart == 0), np.mean(apart <= 1))


def describe(row: Sequence[Difference] | np.ndarray) -> str:
    ours, itself = (Difference(*part) for part in row)
    return "   ".join(
        f"{d.distance:.4f} px {100 * d.codes:5.1f} % {100 * d.within_one:5.1f} %"
        for d in (ours, itself)
    )


if __name__ == "__main__":
    main()
