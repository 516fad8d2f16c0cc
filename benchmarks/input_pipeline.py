"""Training clips a second from the records to the device, against bare JPEG decoding.

    python -m benchmarks.input_pipeline --data_dir=DATA_DIR

A clip is the pyramid's: 1 frame and 3 paths of 10 flows, 61 JPEGs. Bare decoding is
cv2.imdecode of the JPEGs of the same clips, already in memory, in as many threads.
The device's own share (crop, resize, mirror, normalise) is timed by itself: it runs
in the training step, and where the device is the processor it takes its cores.
"""

import argparse
import concurrent.futures
import functools
import itertools
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import cv2
import jax
import numpy as np

from stpn_jax import arrays, config
from stpn_jax.input_pipeline import batching, sampling
from stpn_jax.models import backbones, preprocessing
from stpn_jax.records import byte_ranges, records

SHAPE = sampling.SnippetShape(frames=1, paths=3, flow_length=10, tau=(1, 10))
SIZE = (340, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", help="records of 340x256; default: made ones")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=6, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--step_rate", type=float, help="clips/s that a device trains")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.data_dir:
            dataset = records.open_dataset(options.data_dir, SIZE)
        else:
            dataset = made_dataset(pathlib.Path(folder))
        measure(dataset, options)


def measure(dataset: records.Dataset, options: argparse.Namespace) -> None:
    settings = data_config(options.threads)
    videos = np.arange(len(dataset))
    starts = itertools.count(0, options.batches)

    def batches(start: int, count: int) -> Iterator[arrays.Batch]:
        return batching.train_batches(
            dataset, videos, settings, SHAPE, options.batch, 0, start, start + count
        )

    def deliver() -> None:
        for batch in batches(next(starts), options.batches):
            jax.block_until_ready(jax.device_put(batch))

    files = wanted(dataset, videos, settings, options.batch)
    on_device = jax.device_put(next(batches(0, 1)))
    pool = concurrent.futures.ThreadPoolExecutor(options.threads)
    calls: dict[str, Callable[[], object]] = {
        "decoding": lambda: list(pool.map(decode, files)),
        "pipeline": deliver,
        "device": lambda: jax.block_until_ready(on_the_device(on_device)),
    }
    seconds = clock(calls, options.repeats)
    rates = {name: options.batch / values for name, values in seconds.items()}
    rates["pipeline"] *= options.batches
    report(rates, files, read_in(lambda: list(batches(0, 1))), options)


def report(
    rates: dict[str, np.ndarray],
    files: Sequence[Sequence[tuple[bytes, int]]],
    read: int,
    options: argparse.Namespace,
) -> None:
    rate = {name: float(np.median(values)) for name, values in rates.items()}
    ratio = float(np.median(rates["pipeline"] / rates["decoding"]))
    sizes = [len(file) for clip in files for file, _ in clip]
    cores = options.threads
    print(
        f"{len(sizes) / len(files):.1f} JPEGs a clip of {np.mean(sizes) / 1e3:.1f} kB, "
        f"{cores} threads"
    )
    print(f"bare decoding   {rate['decoding']:7.1f} clips/s")
    print(f"pipeline        {rate['pipeline']:7.1f} clips/s, {ratio:.2f} of it")
    print(f"device's share  {rate['device']:7.1f} clips/s on {jax.devices()[0]}")
    print(f"of {read / 1e6:.1f} MB read, {100 * sum(sizes) / read:.1f} % were used")
    print(f"cores for 100 clips/s: {100 * cores / rate['pipeline']:.1f}")
    if options.step_rate:
        needed = options.step_rate * cores / rate["pipeline"]
        print(f"cores for {options.step_rate:g} clips/s: {needed:.1f}")


def clock(
    calls: dict[str, Callable[[], object]], repeats: int
) -> dict[str, np.ndarray]:
    """Seconds of each call, one of each in turn after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def wanted(
    dataset: records.Dataset,
    videos: np.ndarray,
    settings: config.DataConfig,
    batch: int,
) -> list[list[tuple[bytes, int]]]:
    """The JPEGs of the first step's clips with how each is decoded."""
    plan = batching.train_plan(dataset, videos, settings, SHAPE, batch, 0, 0)
    clips = []
    for snippet in plan:
        video, centre, tau = snippet.position
        frames = int(dataset.num_frames[video])
        at = sampling.frame_indices(centre, tau, SHAPE, frames)
        colour = [(file, cv2.IMREAD_COLOR) for file in dataset.frames(video, at)]
        at = np.unique(sampling.flow_indices(centre, tau, SHAPE, frames - 1))
        grey = itertools.chain(*dataset.flows(video, at))
        clips.append(colour + [(file, cv2.IMREAD_GRAYSCALE) for file in grey])
    return clips


def decode(files: Sequence[tuple[bytes, int]]) -> None:
    for file, mode in files:
        cv2.imdecode(np.frombuffer(file, np.uint8), mode)


def read_in(call: Callable[[], object]) -> int:
    """Bytes that this process asks the system for during a call."""

    def so_far() -> int:
        text = pathlib.Path("/proc/self/io").read_text()
        return int(text.split()[1])

    before = so_far()
    call()
    return so_far() - before


@jax.jit
def on_the_device(batch: arrays.Batch) -> tuple[jax.Array, jax.Array]:
    """What the training step does with a batch before the network."""
    plain = backbones.Normalisation(mean=(128.0,), std=(1.0,))
    return (
        preprocessing.rgb(batch, 224, True, plain),
        preprocessing.flow(batch, 224, True, plain),
    )


def data_config(threads: int) -> config.DataConfig:
    """The crops of the shipped configs."""
    return config.DataConfig(
        dataset="folder",
        data_dir="records",
        split=1,
        validation_fraction=0.0,
        validation_seed=0,
        size=SIZE,
        crop_size=256,
        crop_scales=(1.0, 0.875, 0.75),
        max_distort=1,
        corner_crops=True,
        flip=True,
        input_size=224,
        flow_length=SHAPE.flow_length,
        tau=SHAPE.tau,
        threads=threads,
        prefetch=2,
    )


def made_dataset(folder: pathlib.Path) -> records.Dataset:
    """Forty videos of 60 frames: textures with JPEG files as large as real ones."""
    count, frames = 40, 60
    counts = {"frames": frames, "flow_x": frames - 1, "flow_y": frames - 1}
    path, spans, start = folder / "images", {key: [] for key in counts}, 0
    with path.open("wb") as file:
        for video, (key, number) in itertools.product(range(count), counts.items()):
            for i in range(number):
                start += (size := file.write(made_image(key, 7 * video + i % 4)))
                spans[key].append((start - size, size))
    whole = byte_ranges.Files([path])
    zeros = np.zeros(count, np.int64)
    meta = records.Meta("folder", ("one",), {}, SIZE, 20.0, 1, {}, 95)
    return records.Dataset(
        meta=meta,
        names=tuple(map(str, range(count))),
        labels=np.zeros(count, np.int32),
        groups=("",) * count,
        sources=("",) * count,
        membership=(("train",),) * count,
        num_frames=np.full(count, frames, np.int32),
        images={
            key: byte_ranges.Ranges(
                whole,
                zeros,
                zeros,
                np.arange(count + 1) * number,
                np.array(spans[key], np.uint32),
            )
            for key, number in counts.items()
        },
    )


@functools.cache
def made_image(key: str, seed: int) -> bytes:
    channels, blur = (3, 1.6) if key == "frames" else (1, 12.0)
    noise = np.random.default_rng(seed).uniform(size=(*SIZE[::-1], channels))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), blur)
    pixels = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


if __name__ == "__main__":
    main()
