"""Frames and flow of a video from the records, to be looked at."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from stpn_jax.arrays import Batch
from stpn_jax.input_pipeline import augmentation, sampling, snippets
from stpn_jax.records import records
from stpn_jax.video import flow_codec


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
        snippets.Snippet(sampling.Moment(video, int(position), 1), (view,))
        for position in positions
    ]
    side = max(width, height)
    return snippets.assemble(dataset, wanted, len(wanted), 1, shape, side)
