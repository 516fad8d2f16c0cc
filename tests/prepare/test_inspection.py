"""Inspection: right records give no warning, and every kind of wrong flow does."""

import cv2
import numpy as np
import pytest

from stpn_jax.prepare import flow_check, inspection
from stpn_jax.records import records
from stpn_jax.utils import errors
from stpn_jax.video import flow_codec


def moving_sample(u=(2.0, -1.0), bound=20.0, seed=0) -> flow_check.Sample:
    """A texture that moves by u, with the codes of exactly that flow."""
    noise = np.random.default_rng(seed).uniform(size=(80, 90)).astype(np.float32)
    grey = cv2.normalize(
        cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX
    )
    move = np.array([[1, 0, u[0]], [0, 1, u[1]]], np.float32)
    moved = cv2.warpAffine(grey, move, (90, 80), borderMode=cv2.BORDER_REFLECT)
    first, second = (
        np.repeat(image[None, ..., None], 3, -1).round().astype(np.uint8)
        for image in (grey, moved)
    )
    field = np.broadcast_to(np.array(u, np.float32), (1, 80, 90, 2))
    return flow_check.Sample(
        first, second, np.asarray(flow_codec.quantise(field, bound))
    )


def made_dataset(classes=("run",), of=(0, 0), parts=("train", "test")):
    """Records without images."""
    meta = records.Meta("folder", classes, {}, (90, 80), 20.0, 1, {}, 95)
    count = len(of)
    return records.Dataset(
        meta=meta,
        names=tuple(f"{i}.avi" for i in range(count)),
        labels=np.array(of, np.int32),
        groups=("",) * count,
        sources=("",) * count,
        membership=tuple((part,) for part in parts),
        num_frames=np.full(count, 12, np.int32),
        images={},
    )


def warnings(samples, bound=20.0, dataset=None):
    found = flow_check.measure(samples, bound)
    return list(inspection.warnings(dataset or made_dataset(), found))


def test_right_flow_gives_no_warning():
    found = flow_check.measure([moving_sample()], 20.0)
    assert found.explained[flow_check.AS_STORED] > 0.7
    assert found.length == pytest.approx(5**0.5, abs=0.1)
    assert (found.saturated, found.still) == (0, 0)
    assert warnings([moving_sample()]) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda codes: codes[..., ::-1].copy(), "x and y swapped"),
        (lambda codes: 255 - codes, "with the opposite sign ("),
        (lambda codes: codes ^ np.array([255, 0], np.uint8), "opposite sign of x"),
        (lambda codes: codes ^ np.array([0, 255], np.uint8), "opposite sign of y"),
    ],
)
def test_wrong_axes_and_signs_give_a_warning(change, expected):
    sample = moving_sample()
    (line,) = warnings([sample._replace(codes=change(sample.codes))])
    assert expected in line


@pytest.mark.parametrize(("bound", "expected"), [(10.0, "twice"), (40.0, "half")])
def test_a_wrong_bound_gives_a_warning(bound, expected):
    (line,) = warnings([moving_sample()], bound)
    assert f"{expected} the bound" in line


def test_no_motion_and_saturation_give_warnings():
    sample = moving_sample()
    still = sample._replace(codes=np.full_like(sample.codes, 128))
    assert any("hardly anything moves" in line for line in warnings([still]))
    half = [sample, still, still]
    assert any("67% of the flow images show no motion" in d for d in warnings(half))
    full = sample._replace(codes=np.full_like(sample.codes, 255))
    assert any("the bound is small" in line for line in warnings([full]))


def test_a_class_without_test_clips_is_named():
    dataset = made_dataset(("run", "sit"), (0, 0, 1), ("train", "test", "train"))
    (line,) = warnings([moving_sample()], dataset=dataset)
    assert line == "split 1: no test clips of 1 of 2 classes: sit"


def test_counts_add_up():
    dataset = made_dataset(("run", "sit"), (0, 0, 1), ("train", "test", "train"))
    lines = "\n".join(inspection.counts(dataset))
    assert "3 clips of 2 classes, 36 frames and 33 flows of 90x80" in lines
    assert "split 1: 1 test, 2 train" in lines
    assert "run 1 1" in lines and "sit 1 0" in lines


def test_chosen_clips_are_spread_over_classes():
    dataset = made_dataset(("a", "b", "c"), (0,) * 20 + (1, 2), ("train",) * 22)
    chosen = inspection.choose(dataset, 4)
    assert sorted(dataset.labels[chosen].tolist()) == [0, 0, 1, 2]
    assert chosen == inspection.choose(dataset, 4)
    assert chosen != inspection.choose(dataset, 4, seed=1)
    assert len(inspection.choose(dataset, 99)) == 22


def test_chosen_clips_are_spread_over_places():
    parts = ("train",) * 10 + ("test",) * 2
    dataset = made_dataset(("a", "b"), (0, 1) * 6, parts)
    for seed in range(4):
        chosen = inspection.choose(dataset, 4, seed)
        places = sorted(dataset.membership[video][0] for video in chosen)
        assert places == ["test", "test", "train", "train"]
    assert set(inspection.choose(dataset, 3)) < set(inspection.choose(dataset, 5))


def test_a_still_clip_gives_no_warning():
    """The code of rest is 0.08 pixels: warped noise would count against the flow."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 1, 80, 90, 3), np.uint8)
    still = flow_check.Sample(*noise, np.full((1, 80, 90, 2), 129, np.uint8))
    assert flow_check.measure([still], 20.0).explanation == "hardly anything moves"
    assert warnings([moving_sample(), still]) == []


def test_measures_take_clips_one_by_one():
    pair = [moving_sample(), moving_sample((-3.0, 1.0), seed=1)]
    together = flow_check.measure(iter(pair), 20.0)
    first, second = (flow_check.measure([one], 20.0) for one in pair)
    assert together.length == pytest.approx((first.length + second.length) / 2)
    explained = [m.explained[flow_check.AS_STORED] for m in (first, together, second)]
    assert sorted(explained)[1] == explained[1]


class _Damaged(records.Dataset):
    def frames(self, video, positions):
        return [b"no JPEG"] * len(positions)

    def flows(self, video, positions):
        return self.frames(video, positions), self.frames(video, positions)


def test_a_damaged_image_names_its_clip():
    dataset = made_dataset()
    damaged = _Damaged(**{f: getattr(dataset, f) for f in dataset.__dict__})
    with pytest.raises(errors.UsageError, match=r"clip 1\.avi: an image"):
        inspection.sample(damaged, 1)
