"""Videos become answers in order, whatever is among them."""

import dataclasses

import numpy as np
import pytest
from reference import toy

from stpn_jax.export import artifact
from stpn_jax.inference import batches, engine, snippets
from stpn_jax.inference.predictions import Answer, Failure
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding

OPTIONS = engine.Options()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return artifact.load(toy.export(tmp_path_factory.mktemp("model") / "artifact"))


def answers(model, *videos, **options):
    return list(engine.answers(model, videos, dataclasses.replace(OPTIONS, **options)))


def test_an_answer_is_the_mean_over_snippets_and_views(model):
    frames = toy.pictures(toy.GREEN, step=3, count=20)
    (found,) = answers(model, frames, snippets=3)
    settings = model.preprocessing
    small = np.stack([decoding.resize(frame, toy.SIZE) for frame in frames])
    moments = snippets.moments(settings, 20, 3)
    flows = snippets.needed_flows(settings, moments, small)
    shares, features, maps = [], [], []
    for moment in moments:
        views = list(snippets.samples(settings, moment, small, flows))
        rgb, motion = (
            np.stack([v.rgb for v in views]),
            np.stack([v.flow for v in views]),
        )
        box = np.tile(np.float32([0, 0, 32, 32]), (10, 1))
        one = model.predict(rgb, motion, box, np.array([v.flip for v in views]))
        shares += [*np.asarray(one[0])]
        maps.append(np.asarray(one[1][4]))
        features += [*np.asarray(one[2]["fused"])]
    np.testing.assert_allclose(found.distribution, np.mean(shares, 0), rtol=1e-5)
    np.testing.assert_allclose(found.features["fused"], np.mean(features, 0), rtol=1e-5)
    np.testing.assert_allclose(found.attention.maps, maps, rtol=1e-5)
    assert found.attention.centres.tolist() == [m.centre for m in moments]
    assert found.attention.shown == 1
    np.testing.assert_array_equal(found.attention.frame, small[moments[1].centre])
    assert found.attention.box == (4, 8, 36, 40)
    assert found.labels[0] == "to the right" and found.num_frames == 20
    assert min(vars(found.timings).values()) > 0
    assert found.windows == found.parts == ()


@pytest.mark.parametrize("size", [7, 20, 64])
def test_videos_may_share_batches_and_fail_between(model, monkeypatch, size):
    monkeypatch.setattr(batches, "size", lambda samples, many: size)
    red, blue = toy.pictures(toy.RED), toy.pictures(toy.BLUE)
    found = answers(model, red, "missing.avi", blue, red[:1], None, blue, snippets=1)
    kinds = [type(one) for one in found]
    assert kinds == [Answer, Failure, Answer, Failure, Failure, Answer]
    best = [one.labels[0] for one in found if isinstance(one, Answer)]
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

    stream = engine.answers(model, videos(), OPTIONS)
    next(stream)
    assert taken == [0]


def test_an_error_of_the_network_is_nobodys_video(model):
    def broken(*_):
        raise RuntimeError("out of memory")

    bad = dataclasses.replace(model, programs={"snippets": broken})
    with pytest.raises(RuntimeError, match="out of memory"):
        answers(bad, toy.pictures(toy.RED))


def test_what_nobody_expected_is_a_reason_too(model, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("so\nit is")

    monkeypatch.setattr(snippets, "moments", fail)
    (found,) = answers(model, toy.pictures(toy.RED))
    assert found.reason == "ZeroDivisionError: so it is"


def test_a_long_video_is_looked_at_cell_by_cell(model, tmp_path):
    path = toy.write_three_parts(tmp_path / "three.mp4", seconds=120, rate=5)
    (found,) = answers(model, path, top_k=3)
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


def test_fast_changes_flow_views_and_snippets(model):
    settings = engine.fast(model).preprocessing
    assert tvl1.Parameters(**settings.flow) == tvl1.PRESETS["fast"]
    assert (settings.views, settings.snippets) == (1, 2)
