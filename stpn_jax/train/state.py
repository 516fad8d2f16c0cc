"""The state of one stage in training: everything a checkpoint holds."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Int32

from stpn_jax.arrays import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Replicated over the devices; the sketches never change.

    Attributes:
        step: updates done so far.
        params: trainable parameters, a plain tree.
        batch_stats: running statistics of the batch normalisations.
        sketches: h and s of every count sketch.
        opt_state: of the optimizer.
    """

    step: Int32[Array, ""]
    params: Any
    batch_stats: Any
    sketches: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """The collections that a network's apply takes."""
        names = ("params", "batch_stats", "sketches")
        return {name: getattr(self, name) for name in names}


def create(
    variables: dict[str, Any], optimizer: optax.GradientTransformation
) -> TrainState:
    """State at step 0 of these variables."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        sketches=variables["sketches"],
        # Compiled as one program: its many small arrays would be one each.
        opt_state=jax.jit(optimizer.init)(variables["params"]),
    )
