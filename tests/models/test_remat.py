"""Recomputation keeps less for the backward pass and changes no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.models.backbones import BACKBONES, base

pytestmark = pytest.mark.usefixtures("quickly_compiled")

SIDES = {"bn_inception": 96, "tiny": 32}


def setting(name, remat):
    """A backbone, its images and a loss of its parameters."""
    network = BACKBONES[name].module(options=base.BackboneOptions(remat=remat))
    side = SIDES.get(name, 64)
    images = jax.random.normal(jax.random.key(1), (2, side, side, 3))

    def loss(params, batch_stats):
        collections = {"params": params, "batch_stats": batch_stats}
        maps, _ = network.apply(collections, images, True, mutable=["batch_stats"])
        return jnp.square(maps).mean()

    return network, images, loss


def shapes(network, images):
    return jax.eval_shape(network.init, jax.random.key(0), images)


def kept_bytes(variables, loss):
    """What the backward pass finds in memory."""
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
    plain, *recomputed = (setting(name, remat) for remat in ("none", "norms", "blocks"))
    variables = shapes(*plain[:2])
    none, norms, blocks = (
        kept_bytes(variables, loss) for *_, loss in (plain, *recomputed)
    )
    assert blocks < norms < none


@pytest.mark.slow
@pytest.mark.parametrize("remat", ["norms", "blocks"])
def test_names_and_gradients_are_the_same(remat):
    network, images, plain = setting("tiny", "none")
    variables = network.init(jax.random.key(0), images)
    other, _, again = setting("tiny", remat)
    found = shapes(other, images)
    assert jax.tree.structure(dict(found)) == jax.tree.structure(dict(variables))
    arguments = variables["params"], variables["batch_stats"]
    wanted, found = (jax.jit(jax.grad(loss))(*arguments) for loss in (plain, again))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        wanted,
        found,
    )
