"""One update and one forward pass, per replica; pure, mapped over devices elsewhere."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Float, Key

from stpn_jax import parallel
from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.train import loss, optimizer
from stpn_jax.train.state import TrainState

Metrics = dict[str, Float[Array, ""]]


def make_train_step(
    network: nn.Module,
    transform: optax.GradientTransformation,
    factors: Any,
    seed: int,
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """The update of one replica, to be mapped over the axis parallel.AXIS.

    Args:
        network: from models.networks.
        transform: the optimizer.
        factors: its multipliers; parameters with 0 get no gradient.
        seed: of the dropout, drawn by (seed, step, sample in the global batch).
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        keys = sample_keys(seed, state.step, batch.label.shape[0])

        def objective(params: Any) -> tuple[Float[Array, ""], tuple[Any, Outputs]]:
            variables = state.variables | {
                "params": optimizer.stop_frozen(factors, params)
            }
            outputs, updated = network.apply(
                variables, batch, keys, train=True, mutable=["batch_stats"]
            )
            value = loss.cross_entropy(outputs.logits, batch.label)
            return value, (updated, outputs)

        gradient_of = jax.value_and_grad(objective, has_aux=True)
        (value, (updated, outputs)), gradients = gradient_of(state.params)
        gradients = jax.lax.pmean(gradients, parallel.AXIS)
        updates, opt_state = transform.update(gradients, state.opt_state, state.params)
        new_state = TrainState(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=jax.lax.pmean(
                updated.get("batch_stats", state.batch_stats), parallel.AXIS
            ),
            sketches=state.sketches,
            opt_state=opt_state,
        )
        metrics = jax.lax.pmean(
            {
                "loss": value,
                "accuracy": jnp.mean(outputs.logits.argmax(-1) == batch.label),
            },
            parallel.AXIS,
        )
        return new_state, metrics | {"gradient_norm": optax.tree.norm(gradients)}

    return train_step


def make_predict_step(
    network: nn.Module,
) -> Callable[[dict[str, Any], Batch], Float[Array, "b classes"]]:
    """Class probabilities of one replica's samples."""

    def predict_step(variables: dict[str, Any], batch: Batch) -> Array:
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        return jax.nn.softmax(outputs.logits.astype(jnp.float32))

    return predict_step


def sample_keys(seed: int, step: Array, count: int) -> Key[Array, "b"]:
    """Keys by (seed, step, sample in the global batch), on any number of devices."""
    first = jax.lax.axis_index(parallel.AXIS) * count
    at_step = jax.random.fold_in(jax.random.key(seed), step)
    return jax.vmap(lambda i: jax.random.fold_in(at_step, first + i))(jnp.arange(count))
