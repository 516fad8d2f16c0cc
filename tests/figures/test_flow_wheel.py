"""Colours of the flow: directions, lengths and rest."""

import numpy as np
import pytest

from stpn_jax.figures import flow_wheel


@pytest.mark.parametrize(
    ("u", "colour"),
    [
        ((0, 0), (255, 255, 255)),
        ((4, 0), (255, 0, 0)),
        ((2, 0), (255, 128, 128)),
        ((9, 0), (255, 0, 0)),
        ((-4, 0), (0, 255, 255)),
        ((0, 4), (128, 255, 0)),
        ((0, -4), (128, 0, 255)),
    ],
)
def test_directions_and_lengths(u, colour):
    found = flow_wheel.colours(np.full((2, 3, 4, 2), u, float), limit=4.0)
    assert found.shape == (2, 3, 4, 3)
    np.testing.assert_allclose(found[1, 2, 3].astype(int), colour, atol=1)


def test_the_wheel_shows_what_it_explains():
    wheel = flow_wheel.wheel(101).astype(int)
    np.testing.assert_allclose(wheel[50, 100], (255, 0, 0), atol=1)
    np.testing.assert_allclose(wheel[100, 50], (128, 255, 0), atol=3)
    np.testing.assert_array_equal(wheel[[0, 50], [0, 50]], np.full((2, 3), 255))
