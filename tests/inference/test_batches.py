"""Samples go through the network in batches of one size, and results come home."""

import jax
import numpy as np
import pytest
from reference import toy

from stpn_jax.export import artifact
from stpn_jax.inference import batches
from stpn_jax.inference.snippets import Sample


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return artifact.load(toy.export(tmp_path_factory.mktemp("model") / "artifact"))


def sample(value):
    rgb = np.zeros((1, 3, 32, 32), np.uint8)
    rgb[:, value % 3] = 200
    return Sample(rgb, np.full((3, 8, 32, 32), 128, np.uint8), False)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_each_result_is_its_samples(model, size):
    found = {}
    queue = batches.Batches(model, size)
    for i in range(7):
        queue.add(sample(i), lambda result, i=i: found.setdefault(i, result))
    assert len(found) == 7 // size * size
    queue.flush()
    queue.flush()
    assert sorted(found) == list(range(7))
    for i, result in found.items():
        assert result.probabilities.argmax() == i % 3
        assert result.attention.shape == (4, 4)
        assert result.features["colour"].argmax() == i % 3
        assert result.seconds > 0


@pytest.mark.parametrize(
    ("backend", "samples", "many", "size"),
    [
        ("cpu", 10, False, 10),
        ("cpu", 100, True, 15),
        ("cpu", 1, True, 1),
        ("gpu", 100, False, 50),
        ("gpu", 3, False, 3),
        ("gpu", 3, True, 64),
    ],
)
def test_size_of_a_batch(monkeypatch, backend, samples, many, size):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert batches.size(samples, many) == size
