"""Samples: snippets of a cell of video in each crop, as network input, in batches."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8

from stpn_jax.export import artifact
from stpn_jax.input_pipeline import augmentation, sampling
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding, flow_codec

Flows = dict[int, UInt8[np.ndarray, "2 y x"]]
"""Codes by index, x then y."""


class Sample(NamedTuple):
    """Frames and flow stacks of one snippet in one crop, and whether to mirror it."""

    rgb: UInt8[np.ndarray, "f 3 y x"]
    flow: UInt8[np.ndarray, "k c y x"]
    flip: bool


def shape(settings: artifact.Preprocessing) -> sampling.SnippetShape:
    """Extent of a snippet."""
    return sampling.SnippetShape(
        settings.frames, settings.paths, settings.flow_length, settings.tau
    )


def plans(
    settings: artifact.Preprocessing, num_frames: int, count: int
) -> list[sampling.Plan]:
    """Snippets, evenly over a cell (section 4.7).

    Raises:
        VideoError: a single frame for a network that needs flow.
    """
    if settings.paths and num_frames < 2:
        raise decoding.VideoError("a single frame has no motion; expected 2 or more")
    own = shape(settings)
    positions = sampling.test_positions(
        0, num_frames, own, count, "even", settings.seed
    )
    return [sampling.plan(one, own, num_frames) for one in positions]


def crops(settings: artifact.Preprocessing) -> list[augmentation.Crop]:
    """The crops of the test protocol."""
    return augmentation.test_crops(settings.size, settings.input_size, settings.views)


def central_crop(settings: artifact.Preprocessing) -> int:
    """Number of the central crop that is not mirrored."""
    (central,) = augmentation.test_crops(settings.size, settings.input_size, 1)
    return crops(settings).index(central)


def needed_flows(chosen: Sequence[sampling.Plan]) -> Int[np.ndarray, "n"]:
    """Indices of the flows that the snippets read, each once, increasing."""
    return np.unique(np.concatenate([one.flows for one in chosen]))


def compute_flows(
    settings: artifact.Preprocessing,
    chosen: Sequence[sampling.Plan],
    frames: UInt8[np.ndarray, "t y x 3"],
) -> Flows:
    """The flows that the snippets read of a cell's frames; no others are computed."""
    needed = needed_flows(chosen)
    parameters = tvl1.Parameters(**settings.flow)
    flows: Flows = {}
    for run in np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1):
        if len(run):
            consecutive = frames[run[0] : run[-1] + 2]
            codes = flow_codec.compute(consecutive, parameters, settings.bound)
            flows |= zip(run.tolist(), codes.transpose(0, 3, 1, 2), strict=True)
    return flows


def samples(
    settings: artifact.Preprocessing,
    plan: sampling.Plan,
    frames: UInt8[np.ndarray, "t y x 3"],
    flows: Flows,
) -> Iterator[Sample]:
    """One snippet in each crop, in their order."""
    rgb = frames[plan.frames].transpose(0, 3, 1, 2)
    width, height = settings.size
    codes = np.array([flows[i] for i in plan.flows.tolist()], np.uint8)
    motion = plan.flow_stacks(codes.reshape(-1, 2, height, width))
    for y0, x0, y1, x1, flip in crops(settings):
        crop = (..., slice(y0, y1), slice(x0, x1))
        yield Sample(rgb[crop], np.asarray(motion[crop]), flip)


class Result(NamedTuple):
    """The network's outputs for one sample, and its share of the batch's time."""

    probabilities: Float[np.ndarray, "classes"]
    attention: Float[np.ndarray, "h w"]
    features: dict[str, Float[np.ndarray, "d"]]
    seconds: float


Receiver = Callable[[Result], None]


def batch_size(samples: int, many: bool) -> int:
    """Samples of a batch, such that one program serves all and little is padded.

    If many, videos may share a batch, which speeds up accelerators alone.
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
