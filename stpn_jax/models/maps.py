"""Last maps of the streams: made from pixels, or handed in."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import AnyBatch, Array, Batch, MapBatch
from stpn_jax.models import inputs
from stpn_jax.models.settings import Settings


def images(make: Settings, batch: AnyBatch, train: bool) -> Float[Array, "b f y x c"]:
    """Maps of the RGB frames, for a network's `__call__`."""
    if isinstance(batch, MapBatch):
        return batch.images
    frames = inputs.rgb(batch, *make.view, make.backbone.rgb)
    return make.stream("spatial")(frames, train)


def paths(make: Settings, batch: AnyBatch, train: bool) -> Float[Array, "b k y x c"]:
    """Maps of the temporal paths, for a network's `__call__`."""
    if isinstance(batch, MapBatch):
        return batch.paths
    stacks = inputs.flow(batch, *make.view, make.backbone.flow)
    return make.stream("temporal")(stacks, train)


class Streams(nn.Module):
    """The streams of a network alone: from pixels to what its levels are made on."""

    settings: Settings

    @nn.compact
    def __call__(self, batch: Batch) -> MapBatch:
        """Maps as in testing; without frames there are no image maps."""
        motion = paths(self.settings, batch, train=False)
        if batch.rgb.shape[1]:
            pictures = images(self.settings, batch, train=False)
        else:
            pictures = jnp.zeros((len(motion), 0, *motion.shape[2:]), motion.dtype)
        return MapBatch(pictures, motion, batch.label, batch.mask, batch.video)
