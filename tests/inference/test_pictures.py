"""Pictures of a prediction: attention is interpolated between snippets."""

import numpy as np
import pytest

from stpn_jax.inference import pictures

MAPS = np.stack([np.full((1, 2), value, float) for value in (0, 10, 30)])
CENTRES = np.array([10, 20, 40])


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, 0), (10, 0), (15, 5), (20, 10), (25, 15), (40, 30), (90, 30)],
)
def test_attention_between_snippets_is_linear(position, value):
    np.testing.assert_allclose(pictures.attention_at(position, CENTRES, MAPS), value)


def test_snippets_of_one_centre_do_not_divide_by_zero():
    centres, maps = np.array([5, 5]), np.stack([np.zeros((1, 1)), np.ones((1, 1))])
    for position in (0, 5, 9):
        assert np.isfinite(pictures.attention_at(position, centres, maps)).all()
