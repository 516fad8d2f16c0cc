"""Samples follow the test protocol, and each result reaches its receiver."""

import dataclasses

import jax
import numpy as np
import pytest
from reference import toy

from stpn_jax.export import artifact
from stpn_jax.inference import engine
from stpn_jax.input_pipeline import sampling
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding, flow_codec, imaging

SETTINGS = toy.PREPROCESSING


@pytest.fixture(scope="module")
def frames():
    wide = toy.pictures(step=2, count=14)
    return np.stack([imaging.resize(frame, toy.SIZE) for frame in wide])


def plan(centre, tau):
    position = sampling.SamplingPosition(0, centre, tau)
    return sampling.plan(position, engine.shape(SETTINGS), 14)


def test_flows_are_those_of_the_whole_video_and_no_others(frames, monkeypatch):
    whole = flow_codec.compute(frames, tvl1.Parameters(**toy.PARAMETERS))
    pairs, compute = [], flow_codec.compute
    monkeypatch.setattr(
        flow_codec, "compute", lambda f, *a: pairs.append(len(f) - 1) or compute(f, *a)
    )
    chosen = [plan(2, 1), plan(11, 1)]
    found = engine.compute_flows(SETTINGS, chosen, frames)
    assert sorted(found) == [0, 1, 2, 3, 4, *range(8, 13)]
    assert pairs == [5, 5]
    for index, codes in found.items():
        np.testing.assert_array_equal(codes, whole[index].transpose(2, 0, 1))


def test_a_sample_is_the_crop_of_its_frames_and_flows(frames):
    one = plan(7, 2)
    flows = engine.compute_flows(SETTINGS, [one], frames)
    found = list(engine.crop_samples(SETTINGS, one, frames, flows))
    assert len(found) == 10 and [s.flip for s in found] == [False] * 5 + [True] * 5
    corner, centre = found[0], found[4]
    np.testing.assert_array_equal(
        corner.rgb[0], frames[7].transpose(2, 0, 1)[:, :32, :32]
    )
    np.testing.assert_array_equal(
        centre.rgb[0], frames[7].transpose(2, 0, 1)[:, 4:36, 8:40]
    )
    for path, start in enumerate((3, 5, 7)):
        for i in range(4):
            np.testing.assert_array_equal(
                centre.flow[path, 2 * i : 2 * i + 2], flows[start + i][:, 4:36, 8:40]
            )


def test_positions_are_those_of_testing():
    shape = sampling.SnippetShape(1, 3, 4, (1, 3))
    expected = sampling.test_positions(0, 50, shape, 7, "even", 0)
    found = engine.plan_snippets(SETTINGS, 50, 7)
    assert [one.centre for one in found] == [one.centre for one in expected]


def test_a_single_frame_has_no_motion():
    with pytest.raises(decoding.VideoError, match="single frame"):
        engine.plan_snippets(SETTINGS, 1, 2)
    still = dataclasses.replace(SETTINGS, paths=0)
    assert len(engine.plan_snippets(still, 1, 2)) == 2
    frames = np.zeros((1, 40, 48, 3), np.uint8)
    (one, _) = engine.plan_snippets(still, 1, 2)
    assert engine.compute_flows(still, [one], frames) == {}
    first = next(engine.crop_samples(still, one, frames, {}))
    assert first.flow.shape == (0, 8, 32, 32)


@pytest.mark.parametrize(("crops", "expected"), [(1, 0), (2, 0), (10, 4)])
def test_the_central_crop_is_not_mirrored(crops, expected):
    settings = dataclasses.replace(SETTINGS, crops=crops)
    assert engine.central_crop(settings) == expected
    assert engine.crops(settings)[expected][:4] == (4, 8, 36, 40)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return artifact.load(toy.export(tmp_path_factory.mktemp("model") / "artifact"))


def sample(value):
    rgb = np.zeros((1, 3, 32, 32), np.uint8)
    rgb[:, value % 3] = 200
    return engine.Sample(rgb, np.full((3, 8, 32, 32), 128, np.uint8), False)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_each_result_is_its_samples(model, size):
    found = {}
    queue = engine.Batches(model, size)
    for i in range(7):
        queue.add(sample(i), lambda result, i=i: found.setdefault(i, result))
    assert len(found) == 7 // size * size
    queue.flush()
    queue.flush()
    assert sorted(found) == list(range(7))
    for i, result in found.items():
        assert result.probabilities.argmax() == i % 3
        assert result.attention.shape == (4, 4)
        assert result.features["colour"].argmax() == i % 3
        assert result.seconds > 0


@pytest.mark.parametrize(
    ("backend", "count", "many", "size"),
    [
        ("cpu", 10, False, 10),
        ("cpu", 100, True, 15),
        ("cpu", 1, True, 1),
        ("gpu", 100, False, 50),
        ("gpu", 3, False, 3),
        ("gpu", 3, True, 64),
    ],
)
def test_size_of_a_batch(monkeypatch, backend, count, many, size):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    assert engine.batch_size(count, many) == size
