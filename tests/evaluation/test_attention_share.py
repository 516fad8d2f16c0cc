"""Attention inside of boxes against counting pixels."""

import numpy as np
import pytest

from stpn_jax.evaluation import attention_share

WHOLE = (0.0, 0.0, 1.0, 1.0)


def test_an_even_map_has_the_share_of_the_area():
    boxes = [(0.1, 0.2, 0.4, 0.6), (0.3, 0.5, 0.9, 0.7)]
    found = attention_share.share(np.full((7, 7), 1 / 49), boxes, WHOLE)
    area = 0.3 * 0.4 + 0.6 * 0.2 - 0.1 * 0.1  # What both cover counts once.
    assert found.mass == pytest.approx(found.area)
    assert found.area == pytest.approx(area, abs=0.01)


@pytest.mark.parametrize("cell", [(0, 0), (1, 2), (3, 3)])
def test_one_cell_has_what_the_boxes_cover_of_it(cell):
    attention = np.zeros((4, 4))
    attention[cell] = 1
    found = attention_share.share(attention, [(0.25, 0.5, 0.5, 0.625)], WHOLE)
    assert found.mass == pytest.approx(0.5 if cell == (1, 2) else 0)
    assert found.hit == (cell == (1, 2))
    assert found.area == pytest.approx(1 / 32) and found.most == pytest.approx(0.5)


def test_boxes_are_of_the_frame_and_the_map_is_of_the_crop():
    crop = (0.25, 0.0, 0.75, 0.5)
    cover = attention_share.covered([(0.25, 0.25, 0.5, 0.5)], crop, (2, 2))
    np.testing.assert_allclose(cover, [[0, 1], [0, 0]])
    outside = attention_share.share(np.eye(2) / 2, [(0.8, 0.0, 1.0, 1.0)], crop)
    assert outside == (0, 0, 0, False)


def test_random_maps_against_counting_pixels():
    rng = np.random.default_rng(0)
    attention = rng.random((5, 4))
    attention /= attention.sum()
    pixels = np.kron(attention, np.ones((32, 32))) / 32**2
    y0, x0, y1, x1 = 23, 40, 101, 97
    mask = np.zeros(pixels.shape)
    mask[y0:y1, x0:x1] = 1
    box = (y0 / 160, x0 / 128, y1 / 160, x1 / 128)
    found = attention_share.share(attention, [box], WHOLE)
    assert found.mass == pytest.approx((pixels * mask).sum())
    assert found.area == pytest.approx(mask.mean())
