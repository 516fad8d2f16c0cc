"""The networks a stage can train, by name."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from stpn_jax.arrays import Batch
from stpn_jax.models.attended import AttendedNetwork
from stpn_jax.models.settings import Settings
from stpn_jax.models.single_stream import SpatialNetwork, TemporalNetwork
from stpn_jax.models.stpn import SpatiotemporalPyramid

NETWORKS = {
    "spatial": SpatialNetwork,
    "temporal": TemporalNetwork,
    "attended": AttendedNetwork,
    "pyramid": SpatiotemporalPyramid,
}


def build(network: str, settings: Settings) -> nn.Module:
    """The network of that name; all take a batch and return Outputs."""
    return NETWORKS[network](settings)


def initialise_levels(
    network: nn.Module, streams: nn.Module, batch: Batch, seed: int
) -> dict:
    """What `initialise` gives, but only shapes of the streams, which are filled later.

    Fresh values of the backbones would take most of the time, to be thrown away.

    Args:
        network: from build().
        streams: maps.Streams of the same settings.
        batch: as initialise's.
        seed: of the parameters.
    """
    key = jax.random.key(seed)
    one = jax.tree.map(lambda x: jnp.asarray(x[:1]), batch)
    maps, shapes = jax.eval_shape(streams.init_with_output, key, one)
    blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), maps)
    levels = jax.jit(network.init)(key, blank)
    kinds = {"batch_stats", "sketches", *shapes, *levels}
    return {kind: shapes.get(kind, {}) | levels.get(kind, {}) for kind in kinds}


def initialise(network: nn.Module, batch: Batch, seed: int) -> dict:
    """Fresh variables by collection: params, batch_stats, sketches.

    Args:
        network: from build().
        batch: any batch of the right shapes; its values do not matter.
        seed: of the parameters; the sketches have a seed of their own.
    """
    one = jax.tree.map(lambda x: jnp.asarray(x[:1]), batch)
    variables = jax.jit(network.init)(jax.random.key(seed), one)
    return {"batch_stats": {}, "sketches": {}} | dict(variables)
