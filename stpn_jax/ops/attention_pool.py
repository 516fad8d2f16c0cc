"""Attention pooling: a softmax over the grid and a weighted sum (section 3.3)."""

import jax
from jaxtyping import Float

from stpn_jax.arrays import Array


def attention_weights(scores: Float[Array, "*n y x"]) -> Float[Array, "*n y x"]:
    """Softmax of the scores over the whole grid."""
    flat = scores.reshape(*scores.shape[:-2], -1)
    return jax.nn.softmax(flat, axis=-1).reshape(scores.shape)


def attention_pool(
    weights: Float[Array, "*n y x"], maps: Float[Array, "*n y x c"]
) -> Float[Array, "*n c"]:
    """Sum of each feature map's vectors, weighted by location."""
    return (weights[..., None] * maps).sum(axis=(-3, -2))
