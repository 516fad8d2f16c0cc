"""The last layer: dropout and a linear classifier."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Key

from stpn_jax.arrays import Array
from stpn_jax.models import layers

# TSN's initialisation of the last layer (a Gaussian, in place of the backbone's).
INITIAL_DEVIATION = 0.001


class Classifier(nn.Module):
    """Dropout keyed by sample, then logits in float32."""

    classes: int
    dropout: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "b c"], keys: Key[Array, "b"] | None
    ) -> Float[Array, "b classes"]:
        """Logits; without keys (at test time) nothing is dropped."""
        x = x.astype(jnp.float32)
        if keys is not None:
            x = layers.dropout(x, keys, self.dropout)
        return layers.Dense(
            self.classes,
            kernel_init=nn.initializers.normal(INITIAL_DEVIATION),
            name="dense",
        )(x)
