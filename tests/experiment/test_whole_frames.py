"""Whole frames and flow in pixels come out of the records as they went in."""

import cv2
import numpy as np
import pytest

from stpn_jax.input_pipeline import batching
from stpn_jax.records import records

SIZE, COUNT, BOUND = (40, 24), 6, 20.0


class Made(records.Dataset):
    """Frame i is of the red level 40 i, flow i of 4 i pixels to the right."""

    def frames(self, video, positions):
        return [jpeg(np.dstack([np.full(SIZE[::-1], v) for v in (20, 60, 40 * i)]))
                for i in positions]  # fmt: skip

    def flows(self, video, positions):
        codes = [round(255 * (4 * i + BOUND) / (2 * BOUND)) for i in positions]
        rest = jpeg(np.full(SIZE[::-1], 128))
        return [jpeg(np.full(SIZE[::-1], c)) for c in codes], [rest] * len(codes)


def jpeg(pixels):
    return cv2.imencode(".jpg", pixels.astype(np.uint8))[1].tobytes()


@pytest.fixture
def dataset():
    meta = records.Meta("folder", ("a",), {}, SIZE, BOUND, 1, {}, 95)
    frames = np.array([COUNT], np.int32)
    labels = np.zeros(1, np.int32)
    return Made(meta, ("clip",), labels, ("",), ("",), (("test",),), frames, {})


def test_frames_are_whole_and_in_rgb(dataset):
    found = np.stack(list(batching.frames(dataset, 0, np.array([5, 0, 3]))))
    assert found.shape == (3, 24, 40, 3) and found.dtype == np.uint8
    expected = [(200, 60, 20), (0, 60, 20), (120, 60, 20)]
    assert np.abs(found.astype(int).mean(axis=(1, 2)) - expected).max() < 3
    assert found.astype(int).std(axis=(1, 2)).max() < 2


@pytest.mark.parametrize(("position", "pixels"), [(0, 0), (3, 12), (4, 16), (5, 16)])
def test_flow_is_in_pixels_and_the_last_one_stands_for_none(dataset, position, pixels):
    found = batching.displacement(dataset, 0, position)
    assert found.shape == (24, 40, 2)
    np.testing.assert_allclose(found[..., 0], pixels, atol=0.4)
    np.testing.assert_allclose(found[..., 1], 0, atol=0.2)
