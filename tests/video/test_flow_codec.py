"""The code of one byte, and flow of a whole clip in pieces of static shape."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import videos

from stpn_jax.ops import tvl1
from stpn_jax.video import flow_codec


def test_codes_are_those_of_two_stream_networks():
    values = np.array([-99, -20, -10, 0, 0.07, 10, 20, 99], np.float32)
    codes = flow_codec.quantise(values.reshape(2, 2, 2)).ravel()
    expected = np.clip(np.rint(255 * (values + 20) / 40), 0, 255)
    np.testing.assert_array_equal(codes, expected)
    assert codes[3] == 128
    assert codes.dtype == jnp.uint8


@pytest.mark.parametrize("bound", [5.0, 20.0, 32.0])
@pytest.mark.parametrize("transform", [lambda f, **k: f, jax.jit])
def test_dequantise_is_the_inverse_up_to_half_a_step(bound, transform):
    values = np.random.default_rng(0).uniform(-bound, bound, (3, 4, 5, 2))
    values = values.astype(np.float32)
    there = transform(flow_codec.quantise, static_argnames="bound")
    back = transform(flow_codec.dequantise, static_argnames="bound")
    restored = back(there(values, bound=bound), bound=bound)
    assert np.abs(restored - values).max() <= bound / 255 * 1.0001


def _fake_flow(first, second, parameters, together):
    """x: mean grey value of the first frame / 10; y: change of it."""
    first, second = jnp.asarray(first, jnp.float32), jnp.asarray(second, jnp.float32)
    x = jnp.broadcast_to(first.mean((1, 2), keepdims=True) / 10, first.shape)
    y = jnp.broadcast_to((second - first).mean((1, 2), keepdims=True), first.shape)
    return jnp.stack([x, y], -1)


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("count", [2, 3, 16, 17, 18, 33, 40, 65, 66])
def test_n_frames_give_n_minus_1_flows_in_order(monkeypatch, count, device):
    monkeypatch.setattr(tvl1, "flow", _fake_flow)
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    flow_codec._codes.clear_cache()
    values = (np.arange(count) * 3).astype(np.uint8)
    frames = np.broadcast_to(values[:, None, None, None], (count, 6, 8, 3))
    codes = flow_codec.compute(np.ascontiguousarray(frames))
    flow_codec._codes.clear_cache()
    assert codes.shape == (count - 1, 6, 8, 2)
    expected = np.array(
        flow_codec.quantise(values[:-1, None, None, None] / 10 * np.ones(2))
    )
    np.testing.assert_array_equal(codes[:, 0, 0, 0], expected[:, 0, 0, 0])
    np.testing.assert_array_equal(
        codes[..., 1], flow_codec.quantise(np.full((1, 1, 2), 3.0))[0, 0, 0]
    )


@pytest.mark.slow
def test_moving_noise_moves_to_the_right():
    clip = np.stack([cv2.GaussianBlur(f, (0, 0), 2) for f in videos.frames(3, shift=2)])
    displacement = np.asarray(flow_codec.dequantise(flow_codec.compute(clip)))[
        :, 12:-12, 16:-16
    ]
    np.testing.assert_allclose(np.median(displacement[..., 0]), 2, atol=0.3)
    np.testing.assert_allclose(np.median(displacement[..., 1]), 0, atol=0.2)
