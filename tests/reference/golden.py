"""Golden files: what an oracle made of random weights and images, in samples.

A file (.npz, one a backbone) has
    tensors     JSON: for 3 and for 20 channels, name -> shape of every tensor of the
                oracle's state, from which random_weights draws the same weights again
    draw        seed, number of images, side
    3/map, 3/logits, 20/map, 20/logits       in evaluation mode
    20/trained_map, 20/statistics            in training mode, after one step (not VGG)
each as NAME/positions into the flattened tensor and NAME/values there. The largest
value is always one of them. Statistics have a row for every running mean and variance,
in the order of the tensors; the largest step and the largest value are among them.

VGG's hidden layers, 124 of its 138 million values, are left out and with them its
logits: tests/parity has them.
"""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from reference import caffe_files, random_weights

from stpn_jax.weights import layouts, pretrained

FOLDER = pathlib.Path(__file__).parents[1] / "golden"
WIDTHS = (3, 20)
TRAINED_WIDTH = 20
Tensors = dict[str, np.ndarray]

CAFFE_NAMES: dict[str, Callable[[Tensors], list[caffe_files.Layer]]] = {
    "resnet50_caffe": caffe_files.resnet,
    "resnet152_caffe": caffe_files.resnet,
    "vgg16_caffe": caffe_files.vgg16,
}


class Draw(NamedTuple):
    """What weights and images are sampled with."""

    seed: int
    number: int
    side: int

    def images(self, channels: int) -> np.ndarray:
        """The batch `[n y x c]`."""
        shape = self.number, self.side, self.side, channels
        return random_weights.images(shape, self.seed)


class Golden:
    """A golden file and the weights that belong to it."""

    def __init__(self, row: str, values: Mapping[str, np.ndarray]):
        self.row, self.values = row, values
        self.tensors = json.loads(str(values["tensors"]))
        self.draw = Draw(*map(int, values["draw"]))

    @classmethod
    def read(cls, row: str) -> "Golden":
        """The committed file of a backbone."""
        with np.load(FOLDER / f"{row}.npz") as values:
            return cls(row, dict(values))

    def state(self, channels: int) -> Tensors:
        """The oracle's weights."""
        return random_weights.state_dict(self.tensors[str(channels)], self.draw.seed)

    def samples(self, name: str, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What was found and what is expected at a tensor's positions."""
        positions = self.values[f"{name}/positions"]
        return np.asarray(found).ravel()[positions], self.values[f"{name}/values"]

    def state_after(self, channels: int) -> Tensors:
        """The state after a step, whose statistics are nan where no sample is."""
        state = self.state(channels)
        positions, values = (
            self.values[f"{channels}/statistics/{part}"]
            for part in ("positions", "values")
        )
        for row, name in enumerate(running(state)):
            state[name] = np.full_like(state[name], np.nan)
            state[name][positions[row]] = values[row]
        return state


def running(names: Mapping[str, Any]) -> list[str]:
    """The running means and variances among a state's tensors, in their order."""
    return [n for n in names if n.endswith(("running_mean", "running_var"))]


def loaded(row: str, state: Tensors) -> pretrained.Pretrained:
    """A state as variables of a backbone, by our layouts and without a file."""
    if row in CAFFE_NAMES:
        layers = CAFFE_NAMES[row](state)
        blobs = ((one.name, i, x) for one in layers for i, x in enumerate(one.blobs))
        state = {f"{name}/{index}": blob for name, index, blob in blobs}
    layout = next(t for t in layouts.LAYOUTS[row] if not layouts.unknown(t, state))
    tree = layouts.convert(layout, state, "random weights")
    return pretrained.Pretrained(
        variables={key: tree.get(key, {}) for key in pretrained.COLLECTIONS},
        hidden=tree.get("hidden", {}),
        classifier=tree.get("classifier"),
        checksum="",
        layout=layout.name,
    )
