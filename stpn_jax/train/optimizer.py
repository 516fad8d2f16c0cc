"""SGD as Caffe has it, with rate multipliers and freezing by parameter path."""

import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from stpn_jax.arrays import Array
from stpn_jax.config import StageConfig
from stpn_jax.utils.errors import UsageError


def make(stage: StageConfig, params: Any) -> optax.GradientTransformationExtraArgs:
    """The optimizer of a stage; its update takes `norm`, of all gradients but frozen.

    The order is Caffe's (yjxiong/caffe, src/caffe/solver.cpp): the gradient's global
    norm is clipped, weight decay is added unclipped, and the learning rate goes into
    the momentum buffer, so that a lower rate acts on new gradients only.

    Raises:
        UsageError: a rule of the stage's lr_multipliers matches no parameter.
    """
    factors = lr_multipliers(stage.rate_rules, params)
    decayed = jax.tree.map(lambda factor, p: factor > 0 and p.ndim > 1, factors, params)
    rate = optax.piecewise_constant_schedule(
        stage.learning_rate, dict.fromkeys(stage.lr_milestones, stage.lr_decay)
    )
    return optax.chain(
        _scale_leaves(jax.tree.map(lambda factor: float(factor > 0), factors)),
        _clip(stage.max_grad_norm),
        optax.add_decayed_weights(stage.weight_decay, mask=decayed),
        _scale_leaves(factors),
        optax.scale_by_schedule(rate),
        optax.trace(decay=stage.momentum),
        optax.scale(-1.0),
    )


def lr_multipliers(rules: Sequence[tuple[str, float]], params: Any) -> Any:
    """Tree of learning-rate multipliers: of the first rule that matches, else 1.

    Raises:
        UsageError: a rule matches no parameter.
    """
    used = set()

    def factor(path: Any, _: Any) -> float:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        for pattern, value in rules:
            if re.search(pattern, name):
                used.add(pattern)
                return value
        return 1.0

    factors = jax.tree_util.tree_map_with_path(factor, params)
    for pattern, _ in rules:
        if pattern not in used:
            raise UsageError(f"{pattern!r} matches no parameter")
    return factors


def stop_frozen(factors: Any, params: Any) -> Any:
    """Stops the gradient of frozen parameters, so that none is computed for them."""
    return jax.tree.map(
        lambda factor, p: p if factor > 0 else jax.lax.stop_gradient(p), factors, params
    )


def _clip(largest: float) -> optax.GradientTransformationExtraArgs:
    """optax.clip_by_global_norm, with a norm that is known."""

    def update(
        updates: Any, state: optax.EmptyState, params: Any = None, *, norm: Array
    ) -> tuple[Any, optax.EmptyState]:
        clip = lambda x: jnp.where(norm < largest, x, x / norm * largest)  # noqa: E731
        return jax.tree.map(clip, updates), state

    return optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update)


def _scale_leaves(factors: Any) -> optax.GradientTransformation:
    def scale(update: Array, factor: float) -> Array:
        if factor == 0:  # Also of what is not finite.
            return jnp.zeros_like(update)
        return update if factor == 1 else update * factor

    return optax.stateless(lambda updates, _: jax.tree.map(scale, updates, factors))
