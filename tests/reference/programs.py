"""Backbones compiled once a session, whatever weights they are given."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from stpn_jax.models import backbones, baselines, layers
from stpn_jax.models.backbones import base
from stpn_jax.weights.pretrained import Pretrained

Tensors = dict[str, np.ndarray]
Tree = Mapping[str, Any]


def evaluate(
    row: str, pretrained: Pretrained, images: np.ndarray, jit: bool = True
) -> Tensors:
    """The map and, where the file has a classifier, the logits."""
    found = _evaluation(row, jit)(pretrained.variables, images)
    if pretrained.classifier is None:
        return {"map": found}
    params = {**pretrained.hidden, "dense": pretrained.classifier}
    return {
        "map": found,
        "logits": _classification(row, jit)({"params": params}, found),
    }


def train(
    row: str,
    pretrained: Pretrained,
    images: np.ndarray,
    batch_norm: str = "trained",
    jit: bool = True,
) -> Tensors:
    """The map in training mode, the running statistics after the step, and the step."""
    found, statistics = _training(row, batch_norm, jit)(pretrained.variables, images)
    before = pretrained.variables["batch_stats"]
    return {"map": found, **statistics_and_steps(before, statistics)}


def statistics_and_steps(before: Tree, after: Tree) -> Tensors:
    """Running statistics by path, and what the step has added to each variance.

    An average moves by a tenth or a hundredth of what a batch is off: by its value
    alone a biased variance of the batch would not show.
    """
    old, new = (traverse_util.flatten_dict(dict(t), sep="/") for t in (before, after))
    assert old.keys() == new.keys(), old.keys() ^ new.keys()
    steps = {n: new[n] - old[n] for n in new if n.endswith("var")}
    return {**new, **{f"step of {name}": step for name, step in steps.items()}}


@functools.cache
def _evaluation(row: str, jit: bool) -> Callable[..., Any]:
    network = backbones.BACKBONES[row].module()
    return _ready(lambda variables, x: network.apply(variables, x, False), jit)


@functools.cache
def _classification(row: str, jit: bool) -> Callable[..., Any]:
    entry = backbones.BACKBONES[row]
    head = layers.Classifier(1000, dropout=0.0, hidden=entry.hidden)

    def run(variables: Any, feature_map: jax.Array) -> jax.Array:
        x = baselines.stream_features(feature_map[:, None], entry.grid)
        return head.apply(variables, x, None)

    return _ready(run, jit)


@functools.cache
def _training(row: str, batch_norm: str, jit: bool) -> Callable[..., Any]:
    options = base.BackboneOptions(batch_norm=batch_norm)
    network = backbones.BACKBONES[row].module(options=options)

    def step(variables: Any, x: jax.Array) -> tuple[jax.Array, Any]:
        x, after = network.apply(variables, x, True, mutable=["batch_stats"])
        return x, after.get("batch_stats", {})

    return _ready(step, jit)


def _ready(function: Callable[..., Any], jit: bool) -> Callable[..., Any]:
    """Compiled, with full float32 products, which a GPU would otherwise round."""
    run = jax.jit(function, compiler_options=_options()) if jit else function

    def call(*arguments: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return jax.tree.map(np.asarray, run(*arguments))

    return call


def _options() -> dict[str, int]:
    """On a CPU, LLVM would work longer on these programs than they run."""
    on_cpu = jax.default_backend() == "cpu"
    return {"xla_backend_optimization_level": 0} if on_cpu else {}
