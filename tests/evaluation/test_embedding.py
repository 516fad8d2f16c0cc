"""t-SNE: neighbours stay together, for few points and for points that coincide."""

import numpy as np
import pytest

from stpn_jax.report import features as embedding


def test_groups_that_are_apart_stay_apart():
    rng = np.random.default_rng(0)
    centres = 10 * rng.standard_normal((3, 64))
    labels = np.arange(60) % 3
    features = (centres[labels] + rng.standard_normal((60, 64))).astype(np.float32)
    points = embedding.tsne(features, seed=0)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).all()


@pytest.mark.parametrize("count", [embedding.FEWEST, 5, 11])
@pytest.mark.parametrize("width", [1, 2, 300])
def test_few_points_of_any_width_have_a_place(count, width):
    features = np.random.default_rng(0).random((count, width), np.float32)
    points = embedding.tsne(features, seed=0)
    assert points.shape == (count, 2) and np.isfinite(points).all()
    np.testing.assert_array_equal(points, embedding.tsne(features, seed=0))


def test_points_that_coincide_have_a_place():
    assert np.isfinite(embedding.tsne(np.ones((9, 4), np.float32), seed=0)).all()
