"""Training crops are TSN's, test crops are the two-stream method's."""

import collections
import dataclasses

import numpy as np
import pytest

from stpn_jax import config
from stpn_jax.input_pipeline import sampling
from stpn_jax.utils import errors

SIZE = (340, 256)
SETTINGS = config.DataConfig(
    dataset="folder",
    data_dir="",
    split=1,
    validation_fraction=0.0,
    validation_seed=0,
    size=SIZE,
    crop_size=256,
    crop_scales=(1.0, 0.875, 0.75, 0.66),
    max_distort=1,
    corner_crops=True,
    flip=True,
    input_size=224,
    flow_length=10,
    tau=(1, 10),
    threads=2,
    prefetch=2,
)


def samples(count: int = 2000, **changes) -> list[sampling.Crop]:
    settings = dataclasses.replace(SETTINGS, **changes)
    rng = np.random.default_rng(0)
    return [sampling.train_crop(rng, SIZE, settings) for _ in range(count)]


def sides(crop: sampling.Crop) -> tuple[int, int]:
    return crop.y1 - crop.y0, crop.x1 - crop.x0


def test_sides_are_tsns_and_at_most_one_scale_apart():
    seen = collections.Counter(map(sides, samples()))
    scales = [256, 224, 192, 168]
    wanted = {
        (scales[i], scales[j]) for i in range(4) for j in range(4) if abs(i - j) <= 1
    }
    assert set(seen) == wanted
    assert min(seen.values()) > 2000 / len(wanted) / 2


def test_no_distortion_gives_squares():
    assert all(h == w for h, w in map(sides, samples(200, max_distort=0)))


def test_thirteen_fixed_positions():
    """340x256 less 224: quarter steps of 8 rows and 29 columns."""
    places = sampling.fixed_positions(32, 116)
    assert len(set(places)) == 13
    assert {(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)} <= set(places)
    assert {(16, 0), (16, 116), (32, 58), (0, 58)} <= set(places)
    assert {(8, 29), (8, 87), (24, 29), (24, 87)} <= set(places)
    sampled = {c[:2] for c in samples(crop_size=224, crop_scales=(1.0,))}
    assert sampled == set(places)


def test_uniform_positions_reach_both_edges():
    crops = samples(crop_size=250, crop_scales=(1.0,), corner_crops=False)
    assert {c.y0 for c in crops} == set(range(7))
    assert {c.x0 for c in crops} == set(range(91))


def test_crops_lie_inside_the_frame_and_half_are_mirrored():
    crops = samples()
    assert min(min(c[:2]) for c in crops) >= 0
    assert max(c.y1 for c in crops) <= 256 and max(c.x1 for c in crops) <= 340
    assert 0.45 < np.mean([c.flip for c in crops]) < 0.55
    assert not any(c.flip for c in samples(100, flip=False))


def test_ten_crops_are_corners_and_centre_and_their_mirror_images():
    crops = sampling.test_crops(SIZE, 224, 10)
    places = [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)]
    assert [c[:2] for c in crops] == places * 2
    assert [c.flip for c in crops] == [False] * 5 + [True] * 5
    assert {sides(c) for c in crops} == {(224, 224)}


def test_two_crops_and_one_crop_are_the_centre():
    centre = (16, 58, 240, 282)
    assert sampling.test_crops(SIZE, 224, 1) == [(*centre, False)]
    assert sampling.test_crops(SIZE, 224, 2) == [(*centre, False), (*centre, True)]


def test_crops_that_do_not_fit_are_named():
    with pytest.raises(errors.UsageError, match="crop_size = 300"):
        samples(1, crop_size=300)
    with pytest.raises(errors.UsageError, match="crop_scales"):
        samples(1, crop_scales=())
    with pytest.raises(errors.UsageError, match="test crops of 257 pixels"):
        sampling.test_crops(SIZE, 257, 10)
