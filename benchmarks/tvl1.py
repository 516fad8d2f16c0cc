"""TV-L1 flow, ours and OpenCV's on the same cores in one run: pairs a second.

Run it under `taskset` for a number of cores. With --clips the pairs come from the
videos of a folder; without, from a texture that drifts and turns.
"""

import argparse
import pathlib
import time
from collections.abc import Callable

import cv2
import jax
import numpy as np

from stpn_jax.ops import tvl1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=pathlib.Path, help="a folder with .avi files")
    parser.add_argument("--sizes", nargs="+", default=["72x72", "170x128", "340x256"])
    parser.add_argument("--pairs", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=1, help="of OpenCV")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    for size in options.sizes:
        width, height = map(int, size.split("x"))
        for pairs in options.pairs:
            compare(frames(options.clips, pairs, width, height), options.repeats)


def compare(images: tuple[np.ndarray, np.ndarray], repeats: int) -> None:
    started = time.perf_counter()
    compiled = tvl1.flow.lower(*images).compile()
    compilation = time.perf_counter() - started
    ours, found = clock(lambda: jax.block_until_ready(compiled(*images)), repeats)
    theirs, expected = clock(lambda: opencv(*images), repeats)
    distance = np.linalg.norm(np.asarray(found) - expected, axis=-1).mean()
    pairs, height, width = images[0].shape
    print(
        f"{width}x{height} n={pairs:2d}: ours {pairs / ours:7.1f} pairs/s "
        f"({1e3 * ours / pairs:.1f} ms), OpenCV {pairs / theirs:6.1f} "
        f"({1e3 * theirs / pairs:.1f} ms), {theirs / ours:.1f}x; "
        f"apart {distance:.4f} px; compiled in {compilation:.1f} s",
        flush=True,
    )


def clock(call: Callable, repeats: int) -> tuple[float, np.ndarray]:
    """Seconds of the quickest call, and what it returned."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - started)
    return min(seconds), result


def opencv(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    return np.stack(
        [method.calc(a, b, None) for a, b in zip(first, second, strict=True)]
    )


def frames(
    clips: pathlib.Path | None, pairs: int, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and second images of `pairs` pairs, four consecutive ones of a source."""
    runs = -(-pairs // 4)
    if clips is None:
        sources = [drifting(seed, width, height) for seed in range(runs)]
    else:
        paths = sorted(clips.rglob("*.avi"))
        sources = [read(p, width, height) for p in paths[:: len(paths) // runs][:runs]]
    first = np.concatenate([source[:-1] for source in sources])
    second = np.concatenate([source[1:] for source in sources])
    return first[:pairs], second[:pairs]


def read(path: pathlib.Path, width: int, height: int) -> np.ndarray:
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_POS_FRAMES, 4)
    images = [cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2GRAY) for _ in range(5)]
    return np.stack([cv2.resize(image, (width, height)) for image in images])


def drifting(seed: int, width: int, height: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(size=(height, width))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 3)
    image = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    moves = [cv2.getRotationMatrix2D((width / 3, height / 2), t, 1) for t in range(5)]
    return np.stack(
        [
            cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT)
            for move in moves
        ]
    )


if __name__ == "__main__":
    main()
