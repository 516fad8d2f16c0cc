"""Attention overlays, flow colours and tiled images."""

import av
import numpy as np
import pytest
from skimage import transform

from stpn_jax.figures import images


@pytest.mark.parametrize("size", [(7, 5), (40, 30), (3, 11)])
def test_resize_matches_scikit_image(size):
    values = np.random.default_rng(0).random((7, 5))
    expected = transform.resize(values, size, order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(images.resize(values, size), expected, atol=1e-6)


def test_the_tint_is_strongest_where_the_attention_is():
    frame = np.full((40, 60, 3), 128, np.uint8)
    attention = np.zeros((4, 4))
    attention[1, 2] = 1
    picture = images.overlay(frame, attention, (4, 10, 36, 42)).astype(int)
    change = np.abs(picture - 128).sum(-1)[4:36, 10:42]
    y, x = np.unravel_index(change.argmax(), change.shape)
    assert (8 <= y < 16) and (16 <= x < 24)


def test_outside_the_crop_is_grey_and_dark():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = images.overlay(frame, np.ones((2, 2)), (2, 3, 18, 19))
    outside = np.concatenate(
        [picture[:, 19:].reshape(-1, 3), picture[:2].reshape(-1, 3)]
    )
    assert (outside == outside[:, :1]).all()
    assert outside.mean() < frame.mean()


@pytest.mark.parametrize("attention", [np.zeros((2, 2)), np.full((7, 7), 1 / 49)])
def test_a_uniform_map_tints_evenly(attention):
    frame = np.full((8, 8, 3), 100, np.uint8)
    picture = images.overlay(frame, attention, (0, 0, 8, 8))
    assert (picture == picture[0, 0]).all()


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
def test_flow_colours_of_directions_and_lengths(u, colour):
    found = images.flow_colours(np.full((2, 3, 4, 2), u, float), limit=4.0)
    assert found.shape == (2, 3, 4, 3)
    np.testing.assert_allclose(found[1, 2, 3].astype(int), colour, atol=1)


def test_colour_wheel_agrees_with_flow_colours():
    wheel = images.colour_wheel(101).astype(int)
    np.testing.assert_allclose(wheel[50, 100], (255, 0, 0), atol=1)
    np.testing.assert_allclose(wheel[100, 50], (128, 255, 0), atol=3)
    np.testing.assert_array_equal(wheel[[0, 50], [0, 50]], np.full((2, 3), 255))


def test_tiles_are_in_reading_order_with_white_gaps():
    numbered = np.arange(3, dtype=np.uint8)[:, None, None, None]
    numbered = np.broadcast_to(numbered, (3, 4, 5, 3))
    sheet = images.tile(numbered, 2)
    assert sheet.shape == (4 + 2 + 4, 5 + 2 + 5, 3)
    assert (sheet[:4, :5] == 0).all() and (sheet[:4, 7:] == 1).all()
    assert (sheet[6:, :5] == 2).all() and (sheet[6:, 7:] == 255).all()
    assert (sheet[4:6] == 255).all() and (sheet[:, 5:7] == 255).all()


@pytest.mark.parametrize("rate", [25.0, 29.97, 7.123456, 240.0])
def test_frames_and_rate_of_a_video_survive(tmp_path, rate):
    values = np.linspace(30, 220, 20).astype(np.uint8)
    frames = [np.full((41, 63, 3), value, np.uint8) for value in values]
    images.write_video(tmp_path / "a.mp4", iter(frames), rate)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(rate, rel=1e-3)
        found = [f.to_ndarray(format="rgb24") for f in container.decode(stream)]
    assert len(found) == 20 and found[0].shape == (40, 62, 3)
    for one, value in zip(found, values, strict=True):
        assert abs(one.mean() - value) < 4
