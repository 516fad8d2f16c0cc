"""Recomputation keeps less for the backward pass and changes no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.models.backbones import BACKBONES, base

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SIDES = {"bn_inception": 96, "tiny": 32}


def setting(name, remat):
    """A loss of the parameters of a backbone, and the parameters."""
    network = BACKBONES[name].module(options=base.BackboneOptions(remat=remat))
    side = SIDES.get(name, 64)
    images = jax.random.normal(jax.random.key(1), (2, side, side, 3))
    variables = jax.eval_shape(network.init, jax.random.key(0), images)

    def loss(params, batch_stats):
        collections = {"params": params, "batch_stats": batch_stats}
        maps, _ = network.apply(collections, images, True, mutable=["batch_stats"])
        return jnp.square(maps).mean()

    return network, images, variables, loss


def kept_bytes(name, remat):
    """What the backward pass finds in memory."""
    _, _, variables, loss = setting(name, remat)
    stats = variables.get("batch_stats", {})
    backward = jax.eval_shape(
        lambda params, stats: jax.vjp(loss, params, stats)[1],
        variables["params"],
        stats,
    )
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(backward))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["tiny", "bn_inception", "resnet50", "efficientnet_lite0", "vgg16"]
)
def test_less_is_kept(name):
    none, norms, blocks = (kept_bytes(name, r) for r in ("none", "norms", "blocks"))
    assert blocks < norms < none


@pytest.mark.slow
@pytest.mark.parametrize("remat", ["norms", "blocks"])
def test_names_and_gradients_are_the_same(remat):
    network, images, _, plain = setting("tiny", "none")
    variables = network.init(jax.random.key(0), images)
    *_, shapes, again = setting("tiny", remat)
    assert jax.tree.structure(dict(shapes)) == jax.tree.structure(dict(variables))
    arguments = variables["params"], variables["batch_stats"]
    wanted, found = (jax.jit(jax.grad(loss))(*arguments) for loss in (plain, again))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        wanted,
        found,
    )
