"""TV-L1 against OpenCV's, on synthetic pairs and, where available, on real ones."""

import dataclasses

import cv2
import jax
import numpy as np
import pytest

from stpn_jax.ops import primal_dual, tvl1

QUICK = tvl1.Parameters(scales=2, warps=2, outer_iterations=2, inner_iterations=5)


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(size=(height, width))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 2.5)
    low, high = smooth.min(), smooth.max()
    return (255 * (smooth - low) / (high - low)).astype(np.uint8)


def synthetic_pair(height: int = 48, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """A texture with a square of another texture moving over it."""
    first, square = texture(height, width), texture(16, 16, seed=1)
    second = first.copy()
    first[14:30, 20:36] = square
    second[15:31, 22:38] = square
    return first[None], second[None]


def opencv(first: np.ndarray, second: np.ndarray, **options) -> np.ndarray:
    oracle = cv2.optflow.DualTVL1OpticalFlow_create(**options)
    return np.stack(
        [oracle.calc(a, b, None) for a, b in zip(first, second, strict=True)]
    )


def error(flow, expected) -> np.ndarray:
    """End-point error in pixels, a mean per pair."""
    return np.linalg.norm(np.asarray(flow) - expected, axis=-1).mean((1, 2))


@pytest.fixture(scope="module")
def real_pairs(real_clips) -> tuple[np.ndarray, np.ndarray]:
    paths = sorted(real_clips.glob("ucf101/*/*.avi"))[::36]
    paths += sorted(real_clips.glob("hmdb51/*/*.avi"))[::310]
    pairs = [read_pair(path) for path in paths]
    return tuple(np.stack(images) for images in zip(*pairs, strict=True))


def read_pair(path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_POS_FRAMES, 5)
    frames = [video.read()[1] for _ in range(2)]
    return [
        cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), (96, 72))
        for frame in frames
    ]


def test_one_scale_and_warp_are_exact():
    first, second = synthetic_pair()
    found = tvl1.flow(first, second, tvl1.Parameters(scales=1, warps=1))
    expected = opencv(first, second, nscales=1, warps=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_options_are_opencvs():
    first, second = synthetic_pair()
    options = {"tau": 0.2, "theta": 0.4, "epsilon": 0.02, "warps": 2}
    ours = tvl1.Parameters(weight=0.1, scales=3, scale_step=0.7, median=3, **options)
    theirs = {"lambda_": 0.1, "nscales": 3, "scaleStep": 0.7, "medianFiltering": 3}
    expected = opencv(first, second, **theirs, **options)
    assert error(tvl1.flow(first, second, ours), expected).max() < 0.02


def test_defaults_agree_on_synthetic_pair():
    first, second = synthetic_pair()
    found = tvl1.flow(first, second)
    assert error(found, opencv(first, second)).max() < 0.02


@pytest.mark.slow
def test_defaults_agree_on_real_pairs(real_pairs):
    found, expected = tvl1.flow(*real_pairs), opencv(*real_pairs)
    assert np.abs(expected).max() > 1
    assert error(found, expected).mean() < 0.02


def test_translation_is_found():
    image = texture(60, 72)
    first, second = image[None, 6:54, 6:66], image[None, 5:53, 8:68]
    found = np.asarray(tvl1.flow(first, second))[0, 6:-6, 6:-6]
    np.testing.assert_allclose(found.mean((0, 1)), [-2, 1], atol=0.1)


def test_constant_images_do_not_move():
    first = np.full((2, 40, 40), 90, np.uint8)
    found = tvl1.flow(first, first + np.uint8(30), QUICK)
    np.testing.assert_array_equal(found, np.zeros((2, 40, 40, 2)))


@pytest.mark.slow
def test_bytes_floats_and_batches_agree():
    first, second = synthetic_pair()
    alone = np.asarray(tvl1.flow(first, second, QUICK))
    pairs = [np.concatenate([images, images[:, ::-1]]) for images in (first, second)]
    together = tvl1.flow(*(images.astype(np.float32) for images in pairs), QUICK)
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


@pytest.mark.slow
def test_pairs_side_by_side_are_those_alone():
    """Pairs that settle at very different times, in one batch and in several."""
    first = np.concatenate([synthetic_pair(32, 40)[0]] * 7)
    moves = (0, 0, 1, 2, 4, 0, 3)
    second = np.stack(
        [np.roll(image, x, 1) for image, x in zip(first, moves, strict=True)]
    )
    second[5] += np.random.default_rng(0).integers(0, 9, (32, 40), np.uint8)
    parameters = dataclasses.replace(QUICK, inner_iterations=20, outer_iterations=3)
    alone = tvl1.flow(first, second, parameters)
    for together in (2, 7):
        found = tvl1.flow(first, second, parameters, together)
        np.testing.assert_allclose(found, alone, atol=1e-3)


@pytest.mark.slow
def test_the_fast_preset_loses_little():
    first, second = synthetic_pair()
    fast = tvl1.flow(first, second, tvl1.PRESETS["fast"])
    assert error(fast, np.asarray(tvl1.flow(first, second))).item() < 0.1


def test_small_images_leave_levels_out():
    image = texture(18, 18)[None]
    shapes = jax.eval_shape(tvl1.flow, image, image)
    assert shapes.shape == (1, 18, 18, 2)
    still = tvl1.flow(image, image, QUICK)
    np.testing.assert_allclose(still, 0, atol=1e-6)


@pytest.mark.parametrize("side", [3, 5])
def test_median_is_opencvs(side):
    u = np.random.default_rng(0).normal(size=(2, 19, 23)).astype(np.float32)
    expected = np.stack([cv2.medianBlur(plane, side) for plane in u])
    found = jax.jit(primal_dual.median, static_argnums=1)(u, side)
    np.testing.assert_array_equal(found, expected)
