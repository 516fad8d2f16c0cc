"""Pooling against Caffe's definition, window by window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from stpn_jax.models import pooling
from stpn_jax.models.backbones import bn_inception


def _caffe_max(x, side, stride, padding):
    size = x.shape[1]
    count = int(np.ceil((size + 2 * padding - side) / stride)) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    starts = [i * stride - padding for i in range(count)]
    spans = [slice(max(s, 0), min(s + side, size)) for s in starts]
    rows = [[x[:, r, c].max((1, 2)) for c in spans] for r in spans]
    return np.stack([np.stack(row, 1) for row in rows], 1)


@pytest.mark.parametrize("size", range(4, 12))
@pytest.mark.parametrize("side, stride, padding", ((3, 2, 0), (3, 1, 1), (2, 2, 1)))
def test_max_pool_rounds_up(size, side, stride, padding):
    x = np.random.default_rng(size).normal(size=(2, size, size, 3)).astype(np.float32)
    found = pooling.max_pool(x, side, stride, padding)
    np.testing.assert_array_equal(found, _caffe_max(x, side, stride, padding))


@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
@pytest.mark.parametrize("side, stride, padding", ((3, 2, 0), (3, 1, 1), (2, 2, 1)))
def test_max_pool_sends_a_slope_to_the_first_of_the_largest(
    side, stride, padding, dtype
):
    """XLA's select-and-scatter does; whole numbers make ties, and sums exact."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.integers(0, 4, (2, 8, 9, 3)), dtype)
    pads = [pooling._pads(size, side, stride, padding) for size in x.shape[1:3]]
    plain = lambda x: nn.max_pool(x, (side, side), (stride, stride), pads)  # noqa: E731
    ours = lambda x: pooling.max_pool(x, side, stride, padding)  # noqa: E731
    expected, pull = jax.vjp(plain, x)
    found, pull_ours = jax.vjp(ours, x)
    slope = jnp.asarray(rng.integers(-9, 9, found.shape), dtype)
    np.testing.assert_array_equal(found, expected)
    (gradient,) = pull_ours(slope)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, pull(slope)[0])


def test_average_pool_counts_the_padding():
    x = np.ones((1, 4, 4, 1), np.float32)
    found = np.asarray(bn_inception._pool(x, "average", 1))[0, :, :, 0]
    assert found[0, 0] == pytest.approx(4 / 9)
    assert found[0, 1] == pytest.approx(6 / 9)
    assert found[1, 1] == pytest.approx(1)


@pytest.mark.parametrize("size", (7, 14, 6, 3, 1, 9))
def test_adaptive_average_has_torchs_cells(size):
    x = np.random.default_rng(0).normal(size=(2, size, size + 1, 3)).astype(np.float32)
    pooled = pooling.adaptive_average_pool(x, 7)
    for i in range(7):
        for j in range(7):
            rows = slice(i * size // 7, -(-(i + 1) * size // 7))
            columns = slice(j * (size + 1) // 7, -(-(j + 1) * (size + 1) // 7))
            mean = x[:, rows, columns].mean((1, 2))
            np.testing.assert_allclose(pooled[:, i, j], mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "size, side, padding, up, down", ((112, 3, 1, 57, 56), (13, 2, 0, 7, 6))
)
def test_sizes_round_up_or_down(size, side, padding, up, down):
    x = np.zeros((1, size, size, 1), np.float32)
    assert pooling.max_pool(x, side, 2, padding).shape[1] == up
    assert pooling.max_pool(x, side, 2, padding, round_up=False).shape[1] == down


def test_gradients_through_poolings():
    x = np.random.default_rng(0).normal(size=(1, 5, 5, 1)).astype(np.float32)
    slope = jax.jit(jax.grad(lambda x: pooling.max_pool(x, 3, 2).sum()))(x)
    assert slope.sum() == 4
    slope = jax.jit(jax.grad(lambda x: bn_inception._pool(x, "average", 1).sum()))(x)
    np.testing.assert_allclose(slope[0, 2, 2, 0], 1, rtol=1e-6)
