"""The one spatiotemporal loss: softmax cross entropy."""

import jax.numpy as jnp
import optax
from jaxtyping import Float, Int32

from stpn_jax.arrays import Array


def cross_entropy(
    logits: Float[Array, "b classes"], label: Int32[Array, "b"]
) -> Float[Array, "b"]:
    """Of each sample, in float32."""
    return optax.softmax_cross_entropy_with_integer_labels(
        logits.astype(jnp.float32), label
    )
