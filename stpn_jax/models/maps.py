"""Last maps of the streams: made from pixels, or handed in."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import AnyBatch, Array, Batch, MapBatch
from stpn_jax.models import preprocessing
from stpn_jax.models.settings import Settings


def images(make: Settings, batch: AnyBatch, train: bool) -> Float[Array, "b f y x c"]:
    """Maps of the RGB frames, for a network's `__call__`."""
    if isinstance(batch, MapBatch):
        return batch.images
    frames = preprocessing.rgb(batch, *make.view, make.backbone.rgb)
    return make.stream("spatial")(frames, train)


def paths(make: Settings, batch: AnyBatch, train: bool) -> Float[Array, "b k y x c"]:
    """Maps of the temporal paths, for a network's `__call__`."""
    if isinstance(batch, MapBatch):
        return batch.paths
    stacks = preprocessing.flow(batch, *make.view, make.backbone.flow)
    return make.stream("temporal")(stacks, train)


class Streams(nn.Module):
    """The streams of a network alone: from pixels to what its levels are made on."""

    settings: Settings

    @nn.compact
    def __call__(self, batch: Batch) -> MapBatch:
        """Maps as in testing; none of what the batch has no pixels of."""
        made = []
        for pixels, maps in ((batch.rgb, images), (batch.flow, paths)):
            made.append(maps(self.settings, batch, False) if pixels.shape[1] else None)
        some = next(one for one in made if one is not None)
        none = jnp.zeros((len(some), 0, *some.shape[2:]), some.dtype)
        pictures, motion = (none if one is None else one for one in made)
        return MapBatch(pictures, motion, batch.label, batch.mask, batch.video)
