"""Samples: snippets of a cell of video in each crop, as network input, in batches."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8

from stpn_jax.export import artifact, contract
from stpn_jax.input_pipeline import augmentation, sampling
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding, flow_codec

Flows = dict[int, UInt8[np.ndarray, "2 y x"]]
"""Codes by index, x then y."""


class Sample(NamedTuple):
    """One snippet in one crop.

    Attributes:
        rgb: cropped frames.
        flow: cropped flow stacks.
        flip: whether it is mirrored.
    """

    rgb: UInt8[np.ndarray, "f 3 y x"]
    flow: UInt8[np.ndarray, "k c y x"]
    flip: bool


def shape(settings: contract.Preprocessing) -> sampling.SnippetShape:
    """Extent of a snippet."""
    return sampling.SnippetShape(
        settings.frames, settings.paths, settings.flow_length, settings.tau
    )


def positions(
    settings: contract.Preprocessing, num_frames: int, count: int
) -> list[sampling.SamplingPosition]:
    """Sampling positions, evenly over the cell (section 4.7).

    Raises:
        VideoError: a single frame for a network that needs flow.
    """
    if settings.paths and num_frames < 2:
        raise decoding.VideoError("a single frame has no motion; expected 2 or more")
    return sampling.test_positions(
        0, num_frames, shape(settings), count, "even", settings.seed
    )


def crops(settings: contract.Preprocessing) -> list[augmentation.Crop]:
    """The crops of the test protocol."""
    return augmentation.test_crops(settings.size, settings.input_size, settings.views)


def central_crop(settings: contract.Preprocessing) -> int:
    """Number of the central crop that is not mirrored."""
    (central,) = augmentation.test_crops(settings.size, settings.input_size, 1)
    return crops(settings).index(central)


def needed_flows(
    settings: contract.Preprocessing,
    chosen: Sequence[sampling.SamplingPosition],
    frames: UInt8[np.ndarray, "t y x 3"],
) -> Flows:
    """The flows that the snippets read; no others are computed.

    Args:
        settings: of the network.
        chosen: positions of the snippets.
        frames: all frames of the cell.
    """
    needed = needed_indices(settings, chosen, len(frames))
    parameters = tvl1.Parameters(**settings.flow)
    flows: Flows = {}
    for run in np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1):
        if len(run):
            consecutive = frames[run[0] : run[-1] + 2]
            codes = flow_codec.compute(consecutive, parameters, settings.bound)
            flows |= zip(run.tolist(), codes.transpose(0, 3, 1, 2), strict=True)
    return flows


def needed_indices(
    settings: contract.Preprocessing,
    chosen: Sequence[sampling.SamplingPosition],
    num_frames: int,
) -> Int[np.ndarray, "n"]:
    """Indices of the flows that the snippets read, each once, increasing."""
    stacks = [_flow_stacks(settings, one, num_frames) for one in chosen]
    return np.unique(np.concatenate([one.needed for one in stacks]))


def samples(
    settings: contract.Preprocessing,
    position: sampling.SamplingPosition,
    frames: UInt8[np.ndarray, "t y x 3"],
    flows: Flows,
) -> Iterator[Sample]:
    """One snippet in each crop, in their order."""
    _, centre, tau = position
    shown = sampling.frame_indices(centre, tau, shape(settings), len(frames))
    rgb = frames[shown].transpose(0, 3, 1, 2)
    width, height = settings.size
    motion = np.zeros((0, 2 * settings.flow_length, height, width), np.uint8)
    if settings.paths:
        stacks = _flow_stacks(settings, position, len(frames))
        codes = np.stack([flows[i] for i in stacks.needed.tolist()])
        motion = np.asarray(stacks.assemble(codes))
    for y0, x0, y1, x1, flip in crops(settings):
        crop = (..., slice(y0, y1), slice(x0, x1))
        yield Sample(rgb[crop], motion[crop], flip)


def _flow_stacks(
    settings: contract.Preprocessing,
    position: sampling.SamplingPosition,
    num_frames: int,
) -> sampling.FlowStacks:
    _, centre, tau = position
    return sampling.flow_stacks(
        sampling.flow_indices(centre, tau, shape(settings), num_frames - 1)
    )


class Result(NamedTuple):
    """The network's outputs for one sample.

    Attributes:
        probabilities: of the classes.
        attention: over the grid of the crop.
        features: vectors by name.
        seconds: its share of the batch's time.
    """

    probabilities: Float[np.ndarray, "classes"]
    attention: Float[np.ndarray, "h w"]
    features: dict[str, Float[np.ndarray, "d"]]
    seconds: float


Receiver = Callable[[Result], None]


def batch_size(samples: int, many: bool) -> int:
    """Samples of a batch, such that one program serves all and little is padded.

    Args:
        samples: of one video.
        many: whether videos may share a batch, which speeds up accelerators alone.
    """
    is_cpu = jax.default_backend() == "cpu"
    most = 16 if is_cpu else 64
    if many and not is_cpu:
        return most
    return math.ceil(samples / math.ceil(samples / most))


class Batches:
    """Collects samples into batches, and passes each result to its receiver."""

    def __init__(self, model: artifact.Artifact, size: int):
        self._model, self._size = model, size
        self._waiting: list[tuple[Sample, Receiver]] = []

    def add(self, sample: Sample, receiver: Receiver) -> None:
        """Takes a sample; runs the network on a full batch."""
        self._waiting.append((sample, receiver))
        if len(self._waiting) == self._size:
            self.flush()

    def flush(self) -> None:
        """Runs the network on the waiting samples, padded to a full batch."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        started = time.perf_counter()
        padded = [sample for sample, _ in waiting]
        padded += padded[-1:] * (self._size - len(waiting))
        side = self._model.preprocessing.input_size
        probabilities, attention, features = jax.device_get(
            self._model.predict(
                np.stack([sample.rgb for sample in padded]),
                np.stack([sample.flow for sample in padded]),
                np.tile(np.array([0, 0, side, side], np.float32), (len(padded), 1)),
                np.array([sample.flip for sample in padded]),
            )
        )
        share = (time.perf_counter() - started) / len(waiting)
        for i, (_, receive) in enumerate(waiting):
            vectors = {name: values[i] for name, values in features.items()}
            receive(Result(probabilities[i], attention[i], vectors, share))
