"""Batches of snippets from the records: sampled, decoded, cropped, read in threads.

The plan of a training step (videos, positions, crops) is a pure function of the seed
and the step: a run resumes from its step number alone, and several hosts together read
what one would. Each element that Grain maps is a whole batch, so that no samples are
copied to stack them.

JPEGs are read by byte range, cropped as soon as they are decoded, and their planes
written once, to their place in the batch. Resizing, mirroring and scaling are left to
the accelerator: interleaving planes on the host would cost more than decoding them.
The memory of batches is reused: 1.25 to 1.9 times as many clips per CPU-second
(`python -m benchmarks.input_pipeline`), since the system hands out fresh memory page
by page, zeroed at the first touch.
"""

import itertools
import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import grain
import numpy as np
from jaxtyping import Float, Int, UInt8

from stpn_jax import arrays, config
from stpn_jax.input_pipeline import sampling
from stpn_jax.records import records
from stpn_jax.utils import errors
from stpn_jax.video import flow_codec, image_files


class Snippet(NamedTuple):
    """What one snippet is cut from: when in its clip, and each of its crops."""

    position: sampling.SamplingPosition
    crops: tuple[sampling.Crop, ...]


def train_plan(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    batch: int,
    seed: int,
    step: int,
) -> list[Snippet]:
    """The snippets of one training step, over all hosts.

    Slot i of step s is number s * batch + i of the shuffled walk through the videos;
    (seed, step, slot) seeds its position and its crop.

    Raises:
        UsageError: there are no videos, or crops do not fit into the frames.
    """
    if not len(videos):
        raise errors.UsageError(
            f"{settings.data_dir}: split {settings.split} has no training clips"
        )
    walk = shuffled_walk(seed, step * batch + np.arange(batch), len(videos))
    plan = []
    for slot, video in enumerate(videos[walk].tolist()):
        rng = np.random.default_rng([seed, 1, step, slot])
        frames = int(dataset.num_frames[video])
        position = sampling.train_position(rng, video, frames, shape)
        crop = sampling.train_crop(rng, dataset.meta.size, settings)
        plan.append(Snippet(position, (crop,)))
    return plan


def shuffled_walk(
    seed: int, positions: Int[np.ndarray, "n"], count: int
) -> Int[np.ndarray, "n"]:
    """Items at these positions of an endless walk through `count` items.

    Each round is one epoch, shuffled by (seed, epoch).
    """
    epochs, places = np.divmod(positions, count)
    orders = {
        epoch: np.random.default_rng([seed, 0, epoch]).permutation(count)
        for epoch in np.unique(epochs).tolist()
    }
    return np.array([orders[e][p] for e, p in zip(epochs, places, strict=True)])


def test_plan(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    evaluation: config.EvaluationConfig,
) -> list[Snippet]:
    """Every snippet of every video with all its crops, over all hosts.

    Raises:
        UsageError: the crop does not fit into the records' frames.
    """
    size = dataset.meta.size
    crops = sampling.test_crops(size, settings.test_side, evaluation.crops)
    return [
        Snippet(position, tuple(crops))
        for video in map(int, videos)
        for position in sampling.test_positions(
            video,
            int(dataset.num_frames[video]),
            shape,
            evaluation.snippets,
            evaluation.centres,
            evaluation.seed,
        )
    ]


def train_batches(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    batch: int,
    seed: int,
    start_step: int,
    stop_step: int,
    host: int = 0,
    hosts: int = 1,
) -> Iterator[arrays.Batch]:
    """This host's share of the batches of steps start_step .. stop_step - 1.

    A batch has `batch` snippets over all hosts; seed and start_step are all that is
    needed to resume.

    Raises:
        UsageError: `batch` is no multiple of the number of hosts.
    """
    share = _share(batch, host, hosts)
    side = max(sampling.crop_sides(settings), default=0)

    def load(step: int) -> arrays.Batch:
        plan = train_plan(dataset, videos, settings, shape, batch, seed, step)[share]
        return _assemble(dataset, plan, len(plan), 1, shape, side)

    return _read(load, range(start_step, stop_step), settings)


def test_batches(
    dataset: records.Dataset,
    videos: Int[np.ndarray, "n"],
    settings: config.DataConfig,
    shape: sampling.SnippetShape,
    evaluation: config.EvaluationConfig,
    host: int = 0,
    hosts: int = 1,
) -> Iterator[arrays.Batch]:
    """This host's share of the test batches: every snippet of every video once.

    A batch has evaluation.batch snippets over all hosts, the crops of a snippet side by
    side; the last one is padded.
    """
    plan = test_plan(dataset, videos, settings, shape, evaluation)
    share = _share(evaluation.batch, host, hosts)
    count = share.stop - share.start

    def load(index: int) -> arrays.Batch:
        first = index * evaluation.batch
        part = plan[first + share.start : first + share.stop]
        crops, side = evaluation.crops, settings.test_side
        return _assemble(dataset, part, count, crops, shape, side)

    batches = test_batch_count(len(videos), evaluation)
    return _read(load, range(batches), settings)


def test_batch_count(videos: int, evaluation: config.EvaluationConfig) -> int:
    """Number of batches that `test_batches` yields on every host."""
    return -(-videos * evaluation.snippets // evaluation.batch)


def _share(batch: int, host: int, hosts: int) -> slice:
    if batch < 1 or batch % hosts:
        raise errors.UsageError(
            f"batch = {batch} on {hosts} hosts: expected a multiple of {hosts}"
        )
    count = batch // hosts
    return slice(host * count, (host + 1) * count)


def _read(
    load: Callable[[int], arrays.Batch], indices: range, settings: config.DataConfig
) -> Iterator[arrays.Batch]:
    source = grain.MapDataset.range(indices.start, indices.stop).map(load)
    options = grain.ReadOptions(
        num_threads=settings.threads,
        prefetch_buffer_size=max(settings.prefetch, settings.threads),
    )
    return iter(source.to_iter_dataset(options)) if indices else iter(())


class Buffers:
    """Arrays in memory that no other array uses any more; safe with many threads."""

    def __init__(self) -> None:
        self._owners: list[np.ndarray] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
        """An array of arbitrary bytes, like numpy.empty.

        Its memory is reused when neither it nor a slice of it is held: the base of all
        slices is the owner that is kept here.
        """
        size = math.prod(shape)
        with self._lock:
            # Two references to a free one: the list's and that of this question.
            indices = range(len(self._owners))
            free = [i for i in indices if sys.getrefcount(self._owners[i]) == 2]
            for i in free:
                if self._owners[i].size == size:
                    return self._owners[i].reshape(shape)
            # Free memory of another size belongs to an earlier stage.
            self._owners = [o for i, o in enumerate(self._owners) if i not in free]
            self._owners.append(np.empty(size, np.uint8))
            return self._owners[-1].reshape(shape)


_BUFFERS = Buffers()


def _assemble(
    dataset: records.Dataset,
    snippets: Sequence[Snippet],
    count: int,
    crops: int,
    shape: sampling.SnippetShape,
    side: int,
) -> arrays.Batch:
    """Reads up to `count` snippets of `crops` crops each, padded at the end.

    Crops lie at the top left of square canvases of `side` pixels.
    """
    samples = count * crops
    channels = 2 * shape.flow_length
    rgb = _BUFFERS.empty((samples, shape.frames, 3, side, side))
    flow = _BUFFERS.empty((samples, shape.paths, channels, side, side))
    for images in (rgb, flow):
        images[len(snippets) * crops :] = 0
    box = np.tile(np.array([0, 0, side, side], np.float32), (samples, 1))
    flip = np.zeros(samples, bool)
    label = np.zeros(samples, np.int32)
    video = np.full(samples, -1, np.int32)
    for index, snippet in enumerate(snippets):
        own = slice(index * crops, (index + 1) * crops)
        video[own] = number = snippet.position.video
        label[own] = dataset.labels[number]
        flip[own] = [crop.flip for crop in snippet.crops]
        box[own, 2:] = [(c.y1 - c.y0, c.x1 - c.x0) for c in snippet.crops]
        plan = sampling.plan(snippet.position, shape, int(dataset.num_frames[number]))
        if shape.frames:
            for i, pixels in enumerate(frames(dataset, number, plan.frames)):
                _crop(pixels.transpose(2, 0, 1), snippet.crops, rgb[own, i])
        if shape.paths:
            planes = _flow_planes(dataset, number, plan.flows)
            for i, codes in enumerate(planes):
                for path, channel in np.argwhere(plan.planes == i):
                    _crop(codes, snippet.crops, flow[own, path, channel])
    return arrays.Batch(rgb, flow, box, flip, label, mask=video >= 0, video=video)


def _crop(
    pixels: UInt8[np.ndarray, "*c height width"],
    crops: Sequence[sampling.Crop],
    out: UInt8[np.ndarray, "crops *c y x"],
) -> None:
    for canvas, (y0, x0, y1, x1, _) in zip(out, crops, strict=True):
        height, width = y1 - y0, x1 - x0
        canvas[..., :height, :width] = pixels[..., y0:y1, x0:x1]
        canvas[..., height:, :] = 0
        canvas[..., :height, width:] = 0


def frames(
    dataset: records.Dataset, video: int, indices: Int[np.ndarray, "n"]
) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    """Whole frames in RGB, decoded one by one."""
    files = dataset.frames(video, indices.tolist())
    for index, file in zip(indices, files, strict=True):
        name = f"frame {index}"
        yield _decode(file, cv2.IMREAD_COLOR, dataset, video, name)[:, :, ::-1]


def displacement(
    dataset: records.Dataset, video: int, index: int
) -> Float[np.ndarray, "y x 2"]:
    """The flow from a frame to the next one, or the last flow, in pixels."""
    flow = min(index, int(dataset.num_frames[video]) - 2)
    codes = np.dstack(list(_flow_planes(dataset, video, np.array([flow]))))
    return np.asarray(flow_codec.dequantise(codes, dataset.meta.bound))


def _flow_planes(
    dataset: records.Dataset, video: int, indices: Int[np.ndarray, "n"]
) -> Iterator[UInt8[np.ndarray, "y x"]]:
    """Codes of whole flows, x and y in turn, decoded one by one."""
    files = zip(*dataset.flows(video, indices.tolist()), strict=True)
    for plane, file in enumerate(itertools.chain.from_iterable(files)):
        name = f"flow_{'xy'[plane % 2]} {indices[plane // 2]}"
        yield _decode(file, cv2.IMREAD_GRAYSCALE, dataset, video, name)


def _decode(
    file: bytes, mode: int, dataset: records.Dataset, video: int, name: str
) -> UInt8[np.ndarray, "y x *c"]:
    pixels = image_files.decode(file, mode)
    width, height = dataset.meta.size
    if pixels.shape[:2] != (height, width):
        raise errors.UsageError(
            f"clip {dataset.names[video]}: {name} in the records is not a JPEG of "
            f"{width}x{height}: prepare the data again"
        )
    return pixels
