"""The overlay puts the tint where the attention is."""

import numpy as np
import pytest
from skimage import transform

from stpn_jax.figures import overlay


@pytest.mark.parametrize("size", [(7, 5), (40, 30), (3, 11)])
def test_resize_against_a_second_library(size):
    values = np.random.default_rng(0).random((7, 5))
    expected = transform.resize(values, size, order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(overlay.resize(values, size), expected, atol=1e-6)


def test_the_tint_is_strongest_where_the_attention_is():
    frame = np.full((40, 60, 3), 128, np.uint8)
    attention = np.zeros((4, 4))
    attention[1, 2] = 1
    picture = overlay.blend(frame, attention, (4, 10, 36, 42)).astype(int)
    change = np.abs(picture - 128).sum(-1)[4:36, 10:42]
    y, x = np.unravel_index(change.argmax(), change.shape)
    assert (8 <= y < 16) and (16 <= x < 24)


def test_outside_the_crop_is_grey_and_dark():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = overlay.blend(frame, np.ones((2, 2)), (2, 3, 18, 19))
    outside = np.concatenate(
        [picture[:, 19:].reshape(-1, 3), picture[:2].reshape(-1, 3)]
    )
    assert (outside == outside[:, :1]).all()
    assert outside.mean() < frame.mean()


@pytest.mark.parametrize("attention", [np.zeros((2, 2)), np.full((7, 7), 1 / 49)])
def test_a_uniform_map_tints_evenly(attention):
    frame = np.full((8, 8, 3), 100, np.uint8)
    picture = overlay.blend(frame, attention, (0, 0, 8, 8))
    assert (picture == picture[0, 0]).all()
