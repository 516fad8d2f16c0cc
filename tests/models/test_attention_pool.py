"""Attention pooling against numpy."""

import numpy as np

from stpn_jax.models import stpn


def test_weights_are_a_softmax_over_the_grid():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    weights = np.asarray(stpn.attention_weights(scores))
    exponentials = np.exp(scores.astype(np.float64))
    expected = exponentials / exponentials.sum(axis=(-2, -1), keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_huge_scores_stay_finite():
    weights = stpn.attention_weights(np.full((1, 2, 2), 1e30, np.float32))
    np.testing.assert_allclose(weights, 0.25)


def test_pool_is_the_weighted_sum():
    rng = np.random.default_rng(0)
    weights, maps = rng.random((2, 3, 4)), rng.random((2, 3, 4, 6))
    expected = np.einsum("byx,byxc->bc", weights, maps)
    np.testing.assert_allclose(stpn.attention_pool(weights, maps), expected, rtol=1e-5)
