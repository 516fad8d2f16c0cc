"""The snippets of a piece of video are those of the test protocol."""

import dataclasses

import numpy as np
import pytest
from reference import toy

from stpn_jax.inference import snippets
from stpn_jax.input_pipeline import sampling
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding, flow_codec

SETTINGS = toy.PREPROCESSING


@pytest.fixture(scope="module")
def frames():
    wide = toy.pictures(step=2, count=14)
    return np.stack([decoding.resize(frame, toy.SIZE) for frame in wide])


def test_flows_are_those_of_the_whole_video_and_no_others(frames, monkeypatch):
    whole = flow_codec.compute(frames, tvl1.Parameters(**toy.PARAMETERS))
    pairs, compute = [], flow_codec.compute
    monkeypatch.setattr(
        flow_codec, "compute", lambda f, *a: pairs.append(len(f) - 1) or compute(f, *a)
    )
    moments = [sampling.Moment(0, 2, 1), sampling.Moment(0, 11, 1)]
    found = snippets.needed_flows(SETTINGS, moments, frames)
    assert sorted(found) == [0, 1, 2, 3, 4, *range(8, 13)]
    assert pairs == [5, 5]
    for position, codes in found.items():
        np.testing.assert_array_equal(codes, whole[position].transpose(2, 0, 1))


def test_a_sample_is_the_crop_of_its_frames_and_flows(frames):
    moment = sampling.Moment(0, 7, 2)
    flows = snippets.needed_flows(SETTINGS, [moment], frames)
    found = list(snippets.samples(SETTINGS, moment, frames, flows))
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


def test_moments_are_those_of_testing():
    shape = sampling.SnippetShape(1, 3, 4, (1, 3))
    expected = sampling.test_moments(0, 50, shape, 7, "even", 0)
    assert snippets.moments(SETTINGS, 50, 7) == expected


def test_a_single_frame_has_no_motion():
    with pytest.raises(decoding.VideoError, match="single frame"):
        snippets.moments(SETTINGS, 1, 2)
    still = dataclasses.replace(SETTINGS, paths=0)
    assert len(snippets.moments(still, 1, 2)) == 2
    frames = np.zeros((1, 40, 48, 3), np.uint8)
    (moment, _) = snippets.moments(still, 1, 2)
    assert snippets.needed_flows(still, [moment], frames) == {}
    first = next(snippets.samples(still, moment, frames, {}))
    assert first.flow.shape == (0, 8, 32, 32)


@pytest.mark.parametrize(("views", "expected"), [(1, 0), (2, 0), (10, 4)])
def test_the_central_view_is_not_mirrored(views, expected):
    settings = dataclasses.replace(SETTINGS, views=views)
    assert snippets.central(settings) == expected
    assert snippets.views(settings)[expected][:4] == (4, 8, 36, 40)
