"""Snippets read from the records into a batch: decoded, cropped, channels first.

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
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from stpn_jax import arrays
from stpn_jax.input_pipeline import augmentation, sampling
from stpn_jax.records import records
from stpn_jax.utils import errors
from stpn_jax.video import flow_codec


class Buffers:
    """Arrays in memory that no other array uses any more; safe with many threads."""

    def __init__(self) -> None:
        self._owners: list[np.ndarray] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...]) -> UInt8[np.ndarray, "..."]:
        """An array of arbitrary bytes, like numpy.empty.

        Its memory is reused when neither it nor a view of it is held: the base of all
        views is the owner that is kept here.
        """
        size = math.prod(shape)
        with self._lock:
            free = [i for i in range(len(self._owners)) if self._is_free(i)]
            for i in free:
                if self._owners[i].size == size:
                    return self._owners[i].reshape(shape)
            # Free memory of another size belongs to an earlier stage.
            self._owners = [o for i, o in enumerate(self._owners) if i not in free]
            self._owners.append(np.empty(size, np.uint8))
            return self._owners[-1].reshape(shape)

    def _is_free(self, index: int) -> bool:
        # Two references: the list's and that of this question.
        return sys.getrefcount(self._owners[index]) == 2


_BUFFERS = Buffers()


class Snippet(NamedTuple):
    """What one snippet is cut from: when in its clip, and each of its crops."""

    position: sampling.SamplingPosition
    crops: tuple[augmentation.Crop, ...]


def assemble(
    dataset: records.Dataset,
    snippets: Sequence[Snippet],
    count: int,
    crops: int,
    shape: sampling.SnippetShape,
    side: int,
) -> arrays.Batch:
    """Reads snippets into a batch of count * crops samples, padded at the end.

    Args:
        dataset: open records.
        snippets: at most count, each with `crops` crops.
        count: snippets of the batch.
        crops: samples a snippet.
        shape: of a snippet.
        side: of the square canvas in pixels; crops lie at its top left.
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
        video[own] = snippet.position.video
        label[own] = dataset.labels[snippet.position.video]
        flip[own] = [crop.flip for crop in snippet.crops]
        box[own, 2:] = [(c.y1 - c.y0, c.x1 - c.x0) for c in snippet.crops]
        if shape.frames:
            _read_frames(dataset, snippet, shape, rgb[own])
        if shape.paths:
            _read_flows(dataset, snippet, shape, flow[own])
    return arrays.Batch(rgb, flow, box, flip, label, mask=video >= 0, video=video)


def _read_frames(
    dataset: records.Dataset,
    snippet: Snippet,
    shape: sampling.SnippetShape,
    out: UInt8[np.ndarray, "crops f 3 y x"],
) -> None:
    video, centre, tau = snippet.position
    num_frames = int(dataset.num_frames[video])
    indices = sampling.frame_indices(centre, tau, shape, num_frames).tolist()
    files = dataset.frames(video, indices)
    for frame, (index, file) in enumerate(zip(indices, files, strict=True)):
        pixels = _decode(file, cv2.IMREAD_COLOR, dataset, video, f"frame {index}")
        _crop(pixels[:, :, ::-1].transpose(2, 0, 1), snippet.crops, out[:, frame])


def _read_flows(
    dataset: records.Dataset,
    snippet: Snippet,
    shape: sampling.SnippetShape,
    out: UInt8[np.ndarray, "crops k c y x"],
) -> None:
    video, centre, tau = snippet.position
    num_flows = int(dataset.num_frames[video]) - 1
    indices = sampling.flow_indices(centre, tau, shape, num_flows)
    stacks = sampling.flow_stacks(indices)
    files = zip(*dataset.flows(video, stacks.needed.tolist()), strict=True)
    for plane, file in enumerate(itertools.chain.from_iterable(files)):
        name = f"flow_{'xy'[plane % 2]} {stacks.needed[plane // 2]}"
        codes = _decode(file, cv2.IMREAD_GRAYSCALE, dataset, video, name)
        for path, channel in np.argwhere(stacks.planes == plane):
            _crop(codes, snippet.crops, out[:, path, channel])


def _crop(
    pixels: UInt8[np.ndarray, "*c height width"],
    crops: Sequence[augmentation.Crop],
    out: UInt8[np.ndarray, "crops *c y x"],
) -> None:
    for canvas, (y0, x0, y1, x1, _) in zip(out, crops, strict=True):
        height, width = y1 - y0, x1 - x0
        canvas[..., :height, :width] = pixels[..., y0:y1, x0:x1]
        canvas[..., height:, :] = 0
        canvas[..., :height, width:] = 0


def _decode(
    file: bytes, mode: int, dataset: records.Dataset, video: int, name: str
) -> UInt8[np.ndarray, "y x *c"]:
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), mode)
    except cv2.error:
        pixels = None
    width, height = dataset.meta.size
    if pixels is None or pixels.shape[:2] != (height, width):
        raise errors.UsageError(
            f"clip {dataset.names[video]}: {name} in the records is not a JPEG of "
            f"{width}x{height}: prepare the data again"
        )
    return pixels


def frames(
    dataset: records.Dataset, video: int, indices: Sequence[int]
) -> UInt8[np.ndarray, "t y x 3"]:
    """Whole frames in RGB."""
    shape = sampling.SnippetShape(frames=1, paths=0, flow_length=1, tau=(1, 1))
    width, height = dataset.meta.size
    out = np.empty((len(indices), 1, 3, height, width), np.uint8)
    for index, one in zip(indices, out, strict=True):
        _read_frames(dataset, _whole(dataset, video, index), shape, one[None])
    return out[:, 0].transpose(0, 2, 3, 1)


def displacement(
    dataset: records.Dataset, video: int, index: int
) -> Float[np.ndarray, "y x 2"]:
    """The flow from a frame to the next one, or the last flow, in pixels."""
    shape = sampling.SnippetShape(frames=0, paths=1, flow_length=1, tau=(1, 1))
    width, height = dataset.meta.size
    out = np.empty((1, 1, 2, height, width), np.uint8)
    _read_flows(dataset, _whole(dataset, video, index), shape, out)
    codes = out[0, 0].transpose(1, 2, 0)
    return np.asarray(flow_codec.dequantise(codes, dataset.meta.bound))


def _whole(dataset: records.Dataset, video: int, index: int) -> Snippet:
    """Whole images at an index of a clip."""
    width, height = dataset.meta.size
    crop = augmentation.Crop(0, 0, height, width, False)
    return Snippet(sampling.SamplingPosition(video, int(index), 1), (crop,))
