"""The state of one stage, one update of it and one forward pass, per replica.

All functions are pure, and mapped over devices elsewhere.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import flatten_util
from jaxtyping import Bool, Float, Int32, Key

from stpn_jax import parallel
from stpn_jax.arrays import AnyBatch, Array, Outputs
from stpn_jax.train import optimizer

Metrics = dict[str, Array]
NOT_FINITE = "not_finite"
"""Metric that holds each sample's video, or -1 where its loss is finite."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything a checkpoint holds; replicated over the devices."""

    step: Int32[Array, ""]  # updates done so far
    params: Any  # trainable parameters, a plain tree
    batch_stats: Any  # running statistics of the batch normalisations
    sketches: Any  # h and s of every count sketch; they never change
    opt_state: Any  # of the optimizer
    average: Any = None  # of params over the updates, where a stage averages them

    @property
    def variables(self) -> dict[str, Any]:
        """What a network's apply takes, with the averaged parameters."""
        params = self.params if self.average is None else self.average
        rest = {"batch_stats": self.batch_stats, "sketches": self.sketches}
        return {"params": params} | rest


def initial_state(
    variables: dict[str, Any],
    transform: optax.GradientTransformation,
    averages: bool = False,
) -> TrainState:
    """State at step 0."""
    return TrainState(
        # A copy: both are donated.
        average=jax.tree.map(jnp.array, variables["params"]) if averages else None,
        step=jnp.zeros((), jnp.int32),
        **variables,
        # Compiled as one program: its many small arrays would be one each.
        opt_state=jax.jit(transform.init)(variables["params"]),
    )


class _Pass(NamedTuple):
    """Results of a forward and backward pass over a replica's samples."""

    gradients: Any  # of the mean loss
    batch_stats: Any  # running statistics afterwards
    losses: Float[Array, "b"]
    is_right: Bool[Array, "b"]  # whether the best class is the label


Compute = Callable[[Any, AnyBatch, Key[Array, "b"]], _Pass]


def make_train_step(
    network: nn.Module,
    transform: optax.GradientTransformationExtraArgs,
    factors: Any,
    seed: int,
    microbatch_size: int = 0,
    label_smoothing: float = 0.0,
    averaging: float = 0.0,
) -> Callable[[TrainState, AnyBatch], tuple[TrainState, Metrics]]:
    """The update of one replica, to be mapped over the axis parallel.AXIS.

    Parameters with a factor of 0 get no gradient. The seed is that of the dropout,
    which is keyed by (seed, step, sample in the global batch). Microbatches are as in
    config.RunConfig, smoothing and averaging are as in config.StageConfig.
    """

    def train_step(state: TrainState, batch: AnyBatch) -> tuple[TrainState, Metrics]:
        def compute(batch_stats: Any, batch: AnyBatch, keys: Array) -> _Pass:
            def objective(params: Any) -> tuple[Array, tuple[Any, Array, Outputs]]:
                variables = {
                    "params": optimizer.stop_frozen(factors, params),
                    "batch_stats": batch_stats,
                    "sketches": state.sketches,
                }
                outputs, updated = network.apply(
                    variables, batch, keys, train=True, mutable=["batch_stats"]
                )
                losses = cross_entropy(outputs.logits, batch.label, label_smoothing)
                return losses.mean(), (updated, losses, outputs)

            gradient_of = jax.grad(objective, has_aux=True)
            gradients, (updated, losses, outputs) = gradient_of(state.params)
            is_right = outputs.logits.argmax(-1) == batch.label
            batch_stats = updated.get("batch_stats", batch_stats)
            return _Pass(gradients, batch_stats, losses, is_right)

        count = batch.label.shape[0]
        keys = sample_keys(seed, state.step, count)
        pieces = _microbatches(count, microbatch_size)
        found = _accumulate(compute, state, batch, keys, pieces)
        means = {"loss": found.losses.mean(), "accuracy": found.is_right.mean()}
        wrong = jnp.where(jnp.isfinite(found.losses), -1, batch.video)
        gradients, norm, (batch_stats, means), wrong = _share(
            found.gradients, (found.batch_stats, means), wrong
        )
        updates, opt_state = transform.update(
            gradients, state.opt_state, state.params, norm=norm
        )
        params = optax.apply_updates(state.params, updates)
        new_state = TrainState(
            step=state.step + 1,
            params=params,
            batch_stats=batch_stats,
            sketches=state.sketches,
            opt_state=opt_state,
            average=_averaged(state, params, averaging),
        )
        return new_state, means | {"gradient_norm": norm, NOT_FINITE: wrong}

    return train_step


def _averaged(state: TrainState, params: Any, averaging: float) -> Any:
    """The moving average; its first updates weigh more, or the start would stay."""
    if state.average is None:
        return None
    rate = jnp.minimum(averaging, (1 + state.step) / (10 + state.step))
    # In this form, parameters that do not move stay as they are to the last bit.
    return jax.tree.map(
        lambda mean, new: mean + (1 - rate) * (new - mean), state.average, params
    )


def cross_entropy(
    logits: Float[Array, "b classes"], label: Int32[Array, " b"], smoothing: float
) -> Float[jax.Array, " b"]:
    """Of a target with 1 - smoothing at the label and the rest on all classes alike."""
    logits = logits.astype(jnp.float32)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    if not smoothing:
        return losses
    of_all = jax.nn.logsumexp(logits, axis=-1) - logits.mean(axis=-1)
    return (1 - smoothing) * losses + smoothing * of_all


def _share(
    gradients: Any, others: Any, values: Int32[Array, " b"]
) -> tuple[Any, Float[jax.Array, ""], Any, Int32[jax.Array, " n"]]:
    """Means over the replicas, and the values of all of them side by side, in one sum.

    It is of one dtype and becomes few large messages. Vectors go as one: there are
    hundreds of them, and each would cost an accelerator some operations of its own.
    A gathered int32 is summed as two numbers of 16 bits, which float32 holds exactly.

    Returns:
        The means of the gradients, their global norm, the means of the others, the
        values.
    """
    devices = jax.lax.axis_size(parallel.AXIS)
    short = jnp.stack([values >> 16, values & 0xFFFF]).astype(jnp.float32)  # [2 b]
    own = jax.lax.axis_index(parallel.AXIS) == jnp.arange(devices)
    placed = jnp.where(own[:, None], short[:, None], 0)  # [2 devices b]

    leaves, structure = jax.tree.flatten((gradients, others))
    count = len(jax.tree.leaves(gradients))
    is_small = [jnp.ndim(leaf) < 2 for leaf in leaves]
    small = [leaf for leaf, single in zip(leaves, is_small, strict=True) if single]
    large = [leaf for leaf, single in zip(leaves, is_small, strict=True) if not single]
    vector, split = flatten_util.ravel_pytree(small)
    *large, vector, placed = jax.lax.psum((*large, vector, placed), parallel.AXIS)
    *large, vector = (x / devices for x in (*large, vector))
    parts, rest = iter(split(vector)), iter(large)
    found = [next(parts if single else rest) for single in is_small]

    # Those of the gradients come first.
    size = sum(leaf.size for leaf in found[:count] if leaf.ndim < 2)
    kernels = [leaf for leaf in found[:count] if leaf.ndim >= 2]
    norm = optax.tree.norm([vector[:size], *kernels])
    gradients, others = jax.tree.unflatten(structure, found)
    high, low = placed.reshape(2, -1).astype(jnp.int32)
    return gradients, norm, others, high << 16 | low


def _microbatches(count: int, most: int) -> int:
    """The fewest equal microbatches of at most `most` of `count` samples."""
    if not most:
        return 1
    return next(n for n in range(1, count + 1) if not count % n and count // n <= most)


def _accumulate(
    compute: Compute, state: TrainState, batch: AnyBatch, keys: Array, pieces: int
) -> _Pass:
    """The mean gradient of a batch, one microbatch after the other."""
    if pieces == 1:
        return compute(state.batch_stats, batch, keys)
    split = jax.tree.map(
        lambda x: x.reshape(pieces, len(x) // pieces, *x.shape[1:]), (batch, keys)
    )

    def add(
        carry: tuple[Any, Any], piece: tuple[AnyBatch, Array]
    ) -> tuple[tuple[Any, Any], tuple[Array, Array]]:
        total, batch_stats = carry
        found = compute(batch_stats, *piece)
        total = jax.tree.map(jnp.add, total, found.gradients)
        return (total, found.batch_stats), (found.losses, found.is_right)

    start = jax.tree.map(jnp.zeros_like, state.params), state.batch_stats
    (total, batch_stats), samples = jax.lax.scan(add, start, split)
    losses, is_right = (values.reshape(-1) for values in samples)
    mean = jax.tree.map(lambda gradient: gradient / pieces, total)
    return _Pass(mean, batch_stats, losses, is_right)


def make_predict_step(
    network: nn.Module,
) -> Callable[[dict[str, Any], AnyBatch], Float[Array, "b classes"]]:
    """Class probabilities of one replica's samples."""

    def predict_step(variables: dict[str, Any], batch: AnyBatch) -> Array:
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        return jax.nn.softmax(outputs.logits.astype(jnp.float32))

    return predict_step


def sample_keys(seed: int, step: Array, count: int) -> Key[Array, "b"]:
    """Keys by (seed, step, sample in the global batch), for any number of devices."""
    first = jax.lax.axis_index(parallel.AXIS) * count
    at_step = jax.random.fold_in(jax.random.key(seed), step)
    return jax.vmap(lambda i: jax.random.fold_in(at_step, first + i))(jnp.arange(count))
