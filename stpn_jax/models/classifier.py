"""What turns features into class scores: hidden layers where the backbone has them."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Key

from stpn_jax.arrays import Array
from stpn_jax.models import layers, pooling

# TSN's initialisation of the last layer (a Gaussian, in place of the backbone's).
INITIAL_DEVIATION = 0.001
# The name of VGG's first one: its convolutions end with block 5.
FIRST_HIDDEN = 6


class Classifier(nn.Module):
    """Hidden layers (fc6, fc7, as VGG has them, or none), then a linear classifier.

    Attributes:
        classes: number of classes.
        dropout: rate before every layer but the first hidden one; keyed by sample.
        hidden: widths of the hidden layers.
    """

    classes: int
    dropout: float
    hidden: tuple[int, ...] = ()

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f c"], keys: Key[Array, "b"] | None
    ) -> Float[Array, "b classes"]:
        """Logits in float32 of f vectors a sample, whose features are averaged.

        Without keys (at test time) nothing is dropped.
        """
        x = x.astype(jnp.float32)
        for index, width in enumerate(self.hidden):
            if index:
                x = self._drop(x, keys, index)
            name = f"fc{FIRST_HIDDEN + index}"
            kernel_init = nn.initializers.he_normal()
            x = nn.relu(layers.Dense(width, kernel_init=kernel_init, name=name)(x))
        return layers.Dense(
            self.classes,
            kernel_init=nn.initializers.normal(INITIAL_DEVIATION),
            name="dense",
        )(self._drop(x.mean(axis=1), keys, 0))

    def _drop(self, x: Array, keys: Key[Array, "b"] | None, layer: int) -> Array:
        if keys is None:
            return x
        if layer:
            keys = jax.vmap(lambda key: jax.random.fold_in(key, layer))(keys)
        return layers.dropout(x, keys, self.dropout)


def stream_features(
    maps: Float[Array, "b n y x c"], grid: int
) -> Float[Array, "b f d"]:
    """What a classifier of one stream sees of its maps.

    Args:
        maps: of n frames or paths.
        grid: 0 for average pooling; else the side of the grid of each map that is
            flattened for the first hidden layer, one vector a map.
    """
    if not grid:
        return maps.mean(axis=(1, 2, 3))[:, None]
    flat = maps.reshape(-1, *maps.shape[2:])
    cells = pooling.adaptive_average_pool(flat, grid)
    return cells.reshape(*maps.shape[:2], -1)
