"""Resizing and grey pixels are OpenCV's to the bit, whatever path OpenCV takes."""

import cv2
import numpy as np
import pytest

from stpn_jax.video import imaging


@pytest.fixture(params=[True, False], ids=["optimised", "plain"])
def opencv(request):
    cv2.setUseOptimized(request.param)
    yield cv2
    cv2.setUseOptimized(True)


def sizes():
    """Old and new width and height: up, down, odd, one pixel, and exact factors."""
    yield from [((320, 240), (340, 256)), ((320, 240), (170, 128))]
    yield from [((1, 1), (7, 5)), ((33, 1), (1, 9)), ((64, 48), (64, 48))]
    for x, y in ((1, 1), (2, 2), (2, 1), (1, 2), (3, 3), (4, 4)):
        yield (x * 31, y * 17), (31, 17)
        yield (31, 17), (x * 31, y * 17)
    for row in np.random.default_rng(0).integers(1, 160, (200, 4)).tolist():
        yield tuple(row[:2]), tuple(row[2:])


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_is_opencvs(opencv, channels):
    rng = np.random.default_rng(channels)
    for (width, height), new in sizes():
        frame = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        expected = opencv.resize(frame, new, interpolation=cv2.INTER_LINEAR)
        expected = expected.reshape(*new[::-1], channels)
        np.testing.assert_array_equal(imaging.resize(frame, new), expected)


def test_every_colour_is_as_grey_as_opencvs(opencv):
    levels = np.arange(256, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(256, -1, 3)
    expected = opencv.cvtColor(cube, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(imaging.grey(cube), expected)


def test_a_frame_need_not_be_contiguous():
    frame = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    turned = frame.transpose(1, 0, 2)[::-1]
    expected = imaging.resize(np.ascontiguousarray(turned), (5, 6))
    np.testing.assert_array_equal(imaging.resize(turned, (5, 6)), expected)
