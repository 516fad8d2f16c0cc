"""TV-L1 flow, ours and OpenCV's on the same cores in one run: pairs a second.

    taskset -c 0 python -m benchmarks.tvl1 --clips=VIDEOS

One pair by itself, the pairs of one clip, and those with the fast preset. With --clips
they come from the videos of a folder; without, from a texture that drifts and turns.
On an accelerator the pairs of a clip go side by side, and the traffic floor stands
beside them: what reading and writing each pixel once an iteration would take.
"""

import argparse
import pathlib
import time
from collections.abc import Callable

import jax
import numpy as np
from scipy import ndimage

from stpn_jax.ops import tvl1

try:
    import cv2
except ModuleNotFoundError:  # Without it, ours alone, and no clips.
    cv2 = None

UCF101_PAIRS = 2.4e6

_PIXEL_ITERATIONS = 18.8e6 / (340 * 256)
"""Iterations a pair, in pixels of the finest level: the mean of 96 real pairs."""

_BYTES = 4 * 16
"""Of a pixel in an iteration: reads u, p, slope, residual, inverse; writes u, p."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=pathlib.Path, help="a folder with .avi files")
    parser.add_argument("--sizes", nargs="+", default=["170x128", "340x256"])
    parser.add_argument("--pairs", type=int, default=16, help="of a clip")
    parser.add_argument("--count", type=int, default=3, help="of clips")
    parser.add_argument("--together", type=int, default=0, help="pairs side by side")
    parser.add_argument("--threads", type=int, default=1, help="of OpenCV")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bandwidth", type=float, help="of the device, in GB/s")
    options = parser.parse_args()
    device, peer = jax.devices()[0], set_up_opencv(options.threads)
    print(f"{device.device_kind}, jax {jax.__version__}, {peer}")
    together = options.together or (1 if device.platform == "cpu" else options.pairs)
    for size in options.sizes:
        width, height = map(int, size.split("x"))
        for path in sources(options.clips, options.count):
            images = frames(path, options.pairs, width, height)
            compare(images, options.repeats, together)
        if options.bandwidth:
            traffic = _PIXEL_ITERATIONS * width * height * _BYTES
            rate = options.bandwidth * 1e9 / traffic
            print(f"{size}: traffic floor {rate:.0f} pairs/s ({traffic / 1e9:.2f} GB)")


def set_up_opencv(threads: int) -> str:
    """Says which OpenCV is compared with; its TV-L1 is in its contrib modules."""
    if not hasattr(cv2, "optflow"):
        return "OpenCV skipped: opencv-contrib-python-headless is not installed"
    cv2.setNumThreads(threads)
    return f"OpenCV {cv2.__version__}"


def compare(images: np.ndarray, repeats: int, together: int) -> None:
    """Prints the rates for the pairs of one clip, interleaved with OpenCV's."""
    first, second = images[:-1], images[1:]
    fast = tvl1.PRESETS["fast"]
    default = tvl1.PRESETS["default"]
    together = min(together, len(first))
    calls: dict[str, Callable[[], jax.Array | np.ndarray]] = {
        "one pair": lambda: tvl1.flow(first[:1], second[:1], default),
        "clip": lambda: tvl1.flow(first, second, default, together),
        "clip, fast": lambda: tvl1.flow(first, second, fast, together),
    }
    own = tuple(calls)
    if hasattr(cv2, "optflow"):
        calls["OpenCV, one pair"] = lambda: opencv(first[:1], second[:1])
        calls["OpenCV, clip"] = lambda: opencv(first, second)
    found, compilation = {}, {}
    for name, call in calls.items():
        started = time.perf_counter()
        found[name] = np.asarray(call())
        compilation[name] = time.perf_counter() - started
    seconds = clock(calls, repeats)
    pace = {name: seconds[name] / len(found[name]) for name in calls}
    height, width = first.shape[1:]
    print(f"{width}x{height}, {len(first)} pairs:")
    for name in own:
        line = (
            f"  {name:10s} {1 / pace[name]:7.1f} pairs/s ({1e3 * pace[name]:.1f} ms), "
            f"first call {compilation[name]:.1f} s, UCF101 in "
            f"{UCF101_PAIRS * pace[name] / 3600:.1f} h"
        )
        peer = "OpenCV, one pair" if name == "one pair" else "OpenCV, clip"
        if peer in calls:
            distance = np.linalg.norm(found[name] - found[peer], axis=-1).mean()
            line += (
                f"; OpenCV {1 / pace[peer]:.1f} ({1e3 * pace[peer]:.0f} ms): "
                f"{pace[peer] / pace[name]:.1f}x, apart {distance:.4f} px"
            )
        print(line, flush=True)


def clock(calls: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Median seconds of each call, one of each in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            np.asarray(call())
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def opencv(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    return np.stack(
        [method.calc(a, b, None) for a, b in zip(first, second, strict=True)]
    )


def sources(clips: pathlib.Path | None, count: int) -> list[pathlib.Path] | list[None]:
    """Clips spread over a folder, or that many times none."""
    if clips is None:
        return [None] * count
    paths = sorted(clips.rglob("*.avi"))
    return paths[:: len(paths) // count][:count]


def frames(
    path: pathlib.Path | None, pairs: int, width: int, height: int
) -> np.ndarray:
    """Consecutive grey images from the start of a clip."""
    if path is None:
        return drifting(pairs + 1, width, height)
    video = cv2.VideoCapture(str(path))
    images = []
    while len(images) <= pairs and (found := video.read())[0]:
        grey = cv2.cvtColor(found[1], cv2.COLOR_BGR2GRAY)
        images.append(cv2.resize(grey, (width, height)))
    return np.stack(images)


def drifting(count: int, width: int, height: int) -> np.ndarray:
    """Grey images of a smooth texture that turns by a degree an image."""
    noise = np.random.default_rng(0).uniform(size=(height, width))
    smooth = ndimage.gaussian_filter(noise, 3, mode="mirror")
    image = (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)
    centre = np.array([height / 2, width / 3])
    images = []
    for angle in np.radians(np.arange(count)):
        turn = np.array(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        )
        offset = centre - turn @ centre
        turned = ndimage.affine_transform(image, turn, offset, order=1, mode="reflect")
        images.append(turned)
    return np.stack(images)


if __name__ == "__main__":
    main()
