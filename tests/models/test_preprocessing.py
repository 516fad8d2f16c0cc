"""Crop, resize and mirror against OpenCV and plain slicing."""

import cv2
import numpy as np
import pytest

from stpn_jax.models import preprocessing

RNG = np.random.default_rng(0)


def canvas(n=3, side=32):
    return RNG.integers(0, 256, (2, n, side, side), dtype=np.uint8)


def boxes(*box):
    return np.tile(np.float32(box), (2, 1))


@pytest.mark.parametrize("height", [12, 16, 20])
def test_enlarging_equals_opencv_inside_the_crop(height):
    images = canvas()
    result = preprocessing.crop_resize(
        images, boxes(3, 5, 3 + height, 25), np.zeros(2, bool), 24
    )
    for b in range(2):
        for n in range(3):
            crop = images[b, n, 3 : 3 + height, 5:25].astype(np.float32)
            expected = cv2.resize(crop, (24, 24), interpolation=cv2.INTER_LINEAR)
            np.testing.assert_allclose(result[b, n], expected, atol=1e-2)


def test_pixels_outside_the_crop_have_no_weight():
    images = np.full((2, 1, 32, 32), 255, np.uint8)
    images[..., :20, :24] = 7
    result = preprocessing.crop_resize(
        images, boxes(0, 0, 20, 24), np.zeros(2, bool), 16
    )
    np.testing.assert_allclose(result, 7, rtol=1e-5)


def test_halving_averages():
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8), (2, 1, 32, 32))
    result = np.asarray(
        preprocessing.crop_resize(ramp, boxes(0, 0, 32, 32), np.zeros(2, bool), 16)
    )
    np.testing.assert_allclose(np.diff(result[0, 0, 0, 1:-1]), 2, atol=1e-4)


def test_a_crop_of_the_right_size_is_copied_and_mirrored_where_flip_is_set():
    images, flip = canvas(), np.array([False, True])
    result = np.asarray(
        preprocessing.crop_resize(images, boxes(4, 2, 20, 18), flip, 16)
    )
    crop = images[:, :, 4:20, 2:18].astype(np.float32)
    np.testing.assert_allclose(result[0], crop[0], atol=1e-4)
    np.testing.assert_allclose(result[1], crop[1][..., ::-1], atol=1e-4)


def test_mirror_equals_crop_resize_of_the_whole_canvas():
    images, flip = canvas(), np.array([False, True])
    np.testing.assert_allclose(
        preprocessing.mirror(images, flip),
        preprocessing.crop_resize(images, boxes(0, 0, 32, 32), flip, 32),
        atol=1e-4,
    )


def test_mirrored_flow_changes_the_sign_of_x_only():
    flow = np.broadcast_to(
        np.float32([100, 100, 200, 200])[:, None, None], (2, 4, 3, 3)
    )
    result = np.asarray(preprocessing.mirror_flow_values(flow, np.array([False, True])))
    assert (result[0] == flow[0]).all()
    assert result[1, :, 0, 0].tolist() == [155, 100, 55, 200]
