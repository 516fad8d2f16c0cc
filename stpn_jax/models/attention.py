"""Attention level: motion tells the image map where to look (section 3.3)."""

import dataclasses

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.config import FusionConfig
from stpn_jax.models import fusion, layers
from stpn_jax.ops import attention_pool

SOURCES = {
    "both": ("spatial", "temporal"),
    "temporal": ("temporal",),
    "spatial": ("spatial",),
}

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


class SpatiotemporalAttention(nn.Module):
    """Scores every location and pools the image map by the scores.

    Attributes:
        config: fusion of image map and motion map.
        source: a key of SOURCES: the maps that the scores are made from.
        hidden: channels of the first of the two 1x1 convolutions.
        activation: between them, a key of ACTIVATIONS.
        seed: draws the sketches.
    """

    config: FusionConfig
    source: str
    hidden: int
    activation: str
    seed: tuple[int, ...]

    @nn.compact
    def __call__(
        self, images: Float[Array, "b f y x c"], motion: Float[Array, "b y x d"]
    ) -> tuple[Float[Array, "b f y x"], Float[Array, "b f c"]]:
        """Attends each of the f image maps with the snippet's one motion map.

        Returns:
            the weights, which sum to 1 over each grid, and the attended vectors.
        """
        motions = jnp.broadcast_to(
            motion[:, None], (*images.shape[:2], *motion.shape[1:])
        )
        maps = {"spatial": images, "temporal": motions}
        pathways = [maps[name] for name in SOURCES[self.source]]
        config = self.config
        if len(pathways) == 1:
            # A single map is handed on, normalised like a fused one.
            config = dataclasses.replace(config, kind="concatenation")
        fused = fusion.Fusion(config, self.seed, name="fusion")(pathways)
        hidden = layers.Dense(self.hidden, name="hidden")(fused)
        hidden = ACTIVATIONS[self.activation](hidden)
        scores = layers.Dense(1, name="score")(hidden)[..., 0]
        weights = attention_pool.attention_weights(scores)
        return weights, attention_pool.attention_pool(weights, images)
