"""Videos become predictions in order, whatever is among them."""

import dataclasses

import numpy as np
import pytest
from reference import toy

from stpn_jax.export import artifact
from stpn_jax.inference import engine
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.ops import tvl1
from stpn_jax.video import imaging

OPTIONS = engine.Options()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return artifact.load(toy.export(tmp_path_factory.mktemp("model") / "artifact"))


def predict(model, *videos, **options):
    return list(engine.predict(model, videos, dataclasses.replace(OPTIONS, **options)))


def test_a_prediction_is_the_mean_over_snippets_and_crops(model):
    frames = toy.pictures(toy.GREEN, step=3, count=20)
    (found,) = predict(model, frames, snippets=3)
    settings = model.preprocessing
    small = np.stack([imaging.resize(frame, toy.SIZE) for frame in frames])
    plans = engine.plan_snippets(settings, 20, 3)
    flows = engine.compute_flows(settings, plans, small)
    shares, features, maps = [], [], []
    for plan in plans:
        crops = list(engine.crop_samples(settings, plan, small, flows))
        rgb, motion = (
            np.stack([c.rgb for c in crops]),
            np.stack([c.flow for c in crops]),
        )
        box = np.tile(np.float32([0, 0, 32, 32]), (10, 1))
        one = model.predict(rgb, motion, box, np.array([c.flip for c in crops]))
        shares += [*np.asarray(one[0])]
        maps.append(np.asarray(one[1][4]))
        features += [*np.asarray(one[2]["fused"])]
    np.testing.assert_allclose(found.distribution, np.mean(shares, 0), rtol=1e-5)
    np.testing.assert_allclose(found.features["fused"], np.mean(features, 0), rtol=1e-5)
    np.testing.assert_allclose(found.attention.maps, maps, rtol=1e-5)
    assert found.attention.centres.tolist() == [p.centre for p in plans]
    assert found.attention.shown == 1
    np.testing.assert_array_equal(found.attention.frame, small[plans[1].centre])
    assert found.attention.box == (4, 8, 36, 40)
    assert found.labels[0] == "to the right" and found.num_frames == 20
    assert min(vars(found.timings).values()) > 0
    assert found.windows == found.parts == ()


@pytest.mark.parametrize("size", [7, 20, 64])
def test_videos_may_share_batches_and_fail_between(model, monkeypatch, size):
    monkeypatch.setattr(engine, "batch_size", lambda count, many: size)
    red, blue = toy.pictures(toy.RED), toy.pictures(toy.BLUE)
    found = predict(model, red, "missing.avi", blue, red[:1], None, blue, snippets=1)
    kinds = [type(one) for one in found]
    assert kinds == [Prediction, Failure, Prediction, Failure, Failure, Prediction]
    best = [one.labels[0] for one in found if isinstance(one, Prediction)]
    assert best == ["red", "blue", "blue"]
    reasons = [one.reason for one in found if isinstance(one, Failure)]
    assert reasons[0] == "there is no such file"
    assert reasons[1].startswith("a single frame has no motion")
    assert reasons[2].startswith("expected the path of a video")


def test_videos_are_taken_one_at_a_time(model):
    taken = []

    def videos():
        for i in range(3):
            taken.append(i)
            yield toy.pictures(toy.RED)

    stream = engine.predict(model, videos(), OPTIONS)
    next(stream)
    assert taken == [0]


def test_an_error_of_the_network_is_nobodys_video(model):
    def broken(*_):
        raise RuntimeError("out of memory")

    bad = dataclasses.replace(model, programs={"snippets": broken})
    with pytest.raises(RuntimeError, match="out of memory"):
        predict(bad, toy.pictures(toy.RED))


def test_what_nobody_expected_is_a_reason_too(model, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("so\nit is")

    monkeypatch.setattr(engine, "plan_snippets", fail)
    (found,) = predict(model, toy.pictures(toy.RED))
    assert found.reason == "ZeroDivisionError: so it is"


def test_a_long_video_is_classified_cell_by_cell(model, tmp_path):
    path = toy.write_three_parts(tmp_path / "three.mp4", seconds=120, rate=5)
    (found,) = predict(model, path, top_k=3)
    assert [(p.label, p.start, p.end) for p in found.parts] == [
        ("red", 0, 40),
        ("green", 40, 80),
        ("blue", 80, 120),
    ]
    assert len(found.windows) == 23
    assert len(found.attention.centres) == 24 * engine.CELL_SNIPPETS
    assert found.num_frames == 600 and found.rate == 5
    assert abs(found.attention.centres[found.attention.shown] - 300) < 50
    np.testing.assert_allclose(found.distribution.sum(), 1, rtol=1e-5)


def test_fast_changes_flow_crops_and_snippets(model):
    settings = engine.fast(model).preprocessing
    assert tvl1.Parameters(**settings.flow) == tvl1.PRESETS["fast"]
    assert (settings.crops, settings.snippets) == (1, 2)
