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
