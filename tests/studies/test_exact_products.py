"""Kernels of products: the exact is that of the outer product, sketches are near it."""

import functools

import numpy as np
import pytest

from studies import exact_products as products


def paths(seed, n, m, locations=3, channels=6):
    sampled = np.random.default_rng(seed).standard_normal((n, m, locations, channels))
    length = np.linalg.norm(sampled, axis=-1, keepdims=True)
    return (sampled / length).astype(np.float32)


def outer_features(of):
    found = []
    for one in of:
        at_locations = [
            functools.reduce(np.multiply.outer, one[:, place]).ravel()
            for place in range(one.shape[1])
        ]
        found.append(np.mean(at_locations, axis=0))
    found = np.array(found, np.float64)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("m", (1, 2, 3))
def test_the_exact_kernel_is_that_of_the_outer_product(m):
    train, test = paths(0, 70, m), paths(1, 9, m)
    found = products.exact(train, test)
    a, b = outer_features(train), outer_features(test)
    np.testing.assert_allclose(found.train, a @ a.T, atol=2e-5)
    np.testing.assert_allclose(found.test, b @ a.T, atol=2e-5)


def test_sketches_come_near_it():
    train, test = paths(0, 20, 2), paths(1, 9, 2)
    exact = products.exact(train, test)
    errors = [
        np.abs(
            products.sketched(train, test, d, 0, root=False).test - exact.test
        ).mean()
        for d in (64, 16384)
    ]
    assert errors[1] < 0.02 < errors[0]


def test_accuracy_is_of_videos_and_of_what_can_be_learned():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    videos = np.arange(120) // 2  # Two snippets each.
    centres = rng.standard_normal((4, 8))

    def kernels(noise):
        x = centres[labels] + noise * rng.standard_normal((120, 8))
        y = centres[labels] + noise * rng.standard_normal((120, 8))
        return products.Kernels(x @ x.T, y @ x.T)

    of = products.Snippets(np.zeros((120, 1, 1, 8)), labels, videos)
    assert products.accuracy(kernels(0.1), of, of) == 1
    assert products.accuracy(kernels(100.0), of, of) < 0.6
