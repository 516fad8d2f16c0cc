"""Snippets read from the records into a batch: decoded, cropped, channels first.

JPEGs are read by byte range and cropped as soon as they are decoded; their planes go
straight to their place in the batch. Resizing, mirroring and scaling are left to the
accelerator: interleaving planes on the host would cost more than decoding them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from stpn_jax import arrays
from stpn_jax.arrays import Batch
from stpn_jax.input_pipeline import augmentation, buffers, sampling
from stpn_jax.records import records
from stpn_jax.utils import errors
from stpn_jax.video import flow_codec

_BUFFERS = buffers.Buffers()


class Snippet(NamedTuple):
    """What one snippet is cut from: where in time, and every view of it in space."""

    moment: sampling.Moment
    views: tuple[augmentation.View, ...]


def assemble(
    dataset: records.Dataset,
    snippets: Sequence[Snippet],
    count: int,
    views: int,
    shape: sampling.SnippetShape,
    side: int,
) -> arrays.Batch:
    """Reads snippets into a batch of count * views samples, padded where few.

    Args:
        dataset: open records.
        snippets: at most count, each with `views` views.
        count: snippets of the batch.
        views: samples a snippet.
        shape: of a snippet.
        side: of the square canvas in pixels; crops lie at its top left.

    Raises:
        UsageError: for an image that cannot be read, naming its clip.
    """
    samples = count * views
    channels = 2 * shape.flow_length
    rgb = _BUFFERS.empty((samples, shape.frames, 3, side, side))
    flow = _BUFFERS.empty((samples, shape.paths, channels, side, side))
    for images in (rgb, flow):
        images[len(snippets) * views :] = 0
    box = np.tile(np.array([0, 0, side, side], np.float32), (samples, 1))
    flip = np.zeros(samples, bool)
    label = np.zeros(samples, np.int32)
    video = np.full(samples, -1, np.int32)
    for index, snippet in enumerate(snippets):
        rows = slice(index * views, (index + 1) * views)
        video[rows] = snippet.moment.video
        label[rows] = dataset.labels[snippet.moment.video]
        flip[rows] = [view.flip for view in snippet.views]
        box[rows, 2:] = [(v.y1 - v.y0, v.x1 - v.x0) for v in snippet.views]
        _read_frames(dataset, snippet, shape, rgb[rows])
        _read_flows(dataset, snippet, shape, flow[rows])
    return arrays.Batch(rgb, flow, box, flip, label, mask=video >= 0, video=video)


def _read_frames(
    dataset: records.Dataset,
    snippet: Snippet,
    shape: sampling.SnippetShape,
    out: UInt8[np.ndarray, "views f 3 y x"],
) -> None:
    if not shape.frames:
        return
    video, centre, tau = snippet.moment
    frames = int(dataset.num_frames[video])
    positions = sampling.frame_positions(centre, tau, shape, frames).tolist()
    files = dataset.frames(video, positions)
    for frame, (position, file) in enumerate(zip(positions, files, strict=True)):
        pixels = _decode(file, cv2.IMREAD_COLOR, dataset, video, f"frame {position}")
        _cut(pixels[:, :, ::-1].transpose(2, 0, 1), snippet.views, out[:, frame])


def _read_flows(
    dataset: records.Dataset,
    snippet: Snippet,
    shape: sampling.SnippetShape,
    out: UInt8[np.ndarray, "views k c y x"],
) -> None:
    if not shape.paths:
        return
    video, centre, tau = snippet.moment
    flows = int(dataset.num_frames[video]) - 1
    positions = sampling.flow_positions(centre, tau, shape, flows)
    # Paths overlap where tau is below L: each image is decoded once.
    unique = np.unique(positions).tolist()
    for position, *files in zip(unique, *dataset.flows(video, unique), strict=True):
        places = np.argwhere(positions == position)
        for axis, file in enumerate(files):
            name = f"flow_{'xy'[axis]} {position}"
            pixels = _decode(file, cv2.IMREAD_GRAYSCALE, dataset, video, name)
            for path, time in places:
                _cut(pixels, snippet.views, out[:, path, 2 * time + axis])


def _cut(
    pixels: UInt8[np.ndarray, "*c height width"],
    views: Sequence[augmentation.View],
    out: UInt8[np.ndarray, "views *c y x"],
) -> None:
    for canvas, (y0, x0, y1, x1, _) in zip(out, views, strict=True):
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
    dataset: records.Dataset, video: int, positions: Sequence[int]
) -> UInt8[np.ndarray, "t y x 3"]:
    """Whole frames at these positions, in RGB."""
    shape = sampling.SnippetShape(frames=1, paths=0, flow_length=1, tau=(1, 1))
    width, height = dataset.meta.size
    images = _read(dataset, video, positions, shape).rgb[:, 0, :, :height, :width]
    return np.asarray(images).transpose(0, 2, 3, 1)


def displacement(
    dataset: records.Dataset, video: int, position: int
) -> Float[np.ndarray, "y x 2"]:
    """The flow from a frame to the next one, or the last flow, in pixels."""
    shape = sampling.SnippetShape(frames=0, paths=1, flow_length=1, tau=(1, 1))
    width, height = dataset.meta.size
    codes = _read(dataset, video, [position], shape).flow[0, 0, :, :height, :width]
    return np.asarray(
        flow_codec.dequantise(np.asarray(codes).transpose(1, 2, 0), dataset.meta.bound)
    )


def _read(
    dataset: records.Dataset,
    video: int,
    positions: Sequence[int],
    shape: sampling.SnippetShape,
) -> Batch:
    width, height = dataset.meta.size
    view = augmentation.View(0, 0, height, width, False)
    wanted = [
        Snippet(sampling.Moment(video, int(position), 1), (view,))
        for position in positions
    ]
    side = max(width, height)
    return assemble(dataset, wanted, len(wanted), 1, shape, side)
