"""BN-Inception: the published parameter count, shapes and names."""

import functools

import jax
import jax.numpy as jnp
import pytest

from stpn_jax.models.backbones import bn_inception


@functools.cache
def _shapes(channels, side):
    network = bn_inception.BNInception()
    x = jnp.zeros((1, side, side, channels))
    return jax.eval_shape(lambda: network.init_with_output(jax.random.key(0), x))


# Ceil-mode pooling: floor mode would give 4x4 at 160.
@pytest.mark.parametrize(
    "channels, side, grid", ((3, 224, 7), (20, 224, 7), (3, 160, 5))
)
def test_map(channels, side, grid):
    y, _ = _shapes(channels, side)
    assert y.shape == (1, grid, grid, 1024)


def test_layers_are_named_as_in_weight_files():
    params = _shapes(3, 224)[1]["params"]
    assert len([name for name in params if name.endswith("_bn")]) == 69
    assert {
        "conv1_7x7_s2",
        "inception_3a_pool_proj",
        "inception_4e_double_3x3_2",
    } <= set(params)
    assert "inception_3c_1x1" not in params
    assert params["inception_5b_1x1"]["kernel"].shape == (1, 1, 1024, 352)


@pytest.mark.parametrize("name, padded", (("5a", "average"), ("5b", "max")))
def test_last_pooling_branches(name, padded):
    (block,) = (b for b in bn_inception.BLOCKS if b.name == name)
    assert block.pool == padded
