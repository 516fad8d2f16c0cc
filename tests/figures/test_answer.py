"""The answer is a PNG, whatever the names in it."""

import io

import numpy as np
import pytest
from matplotlib import image as reader

from stpn_jax.figures import answer


@pytest.mark.parametrize("name", ["wave", "$100_and_\udcff" * 30, "$a$"])
def test_draws_a_picture_of_fixed_size(name):
    image = np.full((32, 48, 3), (200, 30, 30), np.uint8)
    png = answer.draw(name, ["$x_1", "wave"], [0.9, 0.1], image)
    pixels = reader.imread(io.BytesIO(png))
    assert pixels.shape == (480, 1200, 4)
    red = np.abs(pixels[..., :3] - np.array([200, 30, 30]) / 255).max(-1) < 0.01
    assert red[:, :700].sum() > 50_000
    assert red[:, 740:].sum() == 0
