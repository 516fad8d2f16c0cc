"""Samples of any number of videos through the network, in batches of one size."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from stpn_jax.export import artifact
from stpn_jax.inference.snippets import Sample

_MOST = {"cpu": 16}
_MOST_OF_ACCELERATOR = 64


class Result(NamedTuple):
    """What the network says of one sample.

    Attributes:
        probabilities: of the classes.
        attention: over the grid of the view.
        features: vectors by name.
        seconds: its share of the batch's time.
    """

    probabilities: Float[np.ndarray, "classes"]
    attention: Float[np.ndarray, "h w"]
    features: dict[str, Float[np.ndarray, "d"]]
    seconds: float


Receiver = Callable[[Result], None]


def size(samples: int, many: bool) -> int:
    """Samples of a batch, so that videos waste little and one program serves all.

    Args:
        samples: of one video.
        many: whether videos may share a batch, which helps accelerators alone.
    """
    backend = jax.default_backend()
    most = _MOST.get(backend, _MOST_OF_ACCELERATOR)
    if many and backend not in _MOST:
        return most
    return math.ceil(samples / math.ceil(samples / most))


class Batches:
    """Collects samples, and hands each result to whom it belongs."""

    def __init__(self, model: artifact.Artifact, size: int):
        self._model, self._size = model, size
        self._waiting: list[tuple[Sample, Receiver]] = []

    def add(self, sample: Sample, receiver: Receiver) -> None:
        """Takes a sample; runs the network when they are a batch."""
        self._waiting.append((sample, receiver))
        if len(self._waiting) == self._size:
            self.flush()

    def flush(self) -> None:
        """Runs the network on what is waiting."""
        if not self._waiting:
            return
        samples, receivers = zip(*self._waiting, strict=True)
        self._waiting = []
        started = time.perf_counter()
        probabilities, attention, features = self._run(samples)
        share = (time.perf_counter() - started) / len(samples)
        for i, receive in enumerate(receivers):
            vectors = {name: values[i] for name, values in features.items()}
            receive(Result(probabilities[i], attention[i], vectors, share))

    def _run(
        self, samples: tuple[Sample, ...]
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        padded = samples + samples[-1:] * (self._size - len(samples))
        side = self._model.preprocessing.input_size
        box = np.tile(np.array([0, 0, side, side], np.float32), (len(padded), 1))
        answers = self._model.predict(
            np.stack([sample.rgb for sample in padded]),
            np.stack([sample.flow for sample in padded]),
            box,
            np.array([sample.flip for sample in padded]),
        )
        return jax.device_get(answers)
