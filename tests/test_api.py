"""The Python API: one video or many, options that are checked, nothing heavy before."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from reference import toy

import stpn_jax
from stpn_jax import api
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.utils.errors import UsageError
from stpn_jax.video.decoding import VideoError


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = toy.export(tmp_path_factory.mktemp("model") / "artifact")
    return stpn_jax.Classifier.load(folder)


def test_importing_the_package_loads_nothing_heavy():
    script = (
        "import sys, stpn_jax; assert not {'jax', 'numpy', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    assert stpn_jax.Classifier is api.Classifier
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        _ = stpn_jax.Clasifier


def test_a_path_as_text_and_as_object_give_one_prediction(classifier, tmp_path):
    path = toy.write_clip(tmp_path / "red.avi", colour=toy.RED)
    text = classifier.classify(path, top_k=2)
    assert isinstance(text, Prediction)
    assert text.labels[0] == "red" and len(text.probabilities) == 2
    assert text.video == path
    other = classifier.classify(pathlib.Path(path))
    np.testing.assert_array_equal(other.distribution, text.distribution)
    assert len(other.labels) == len(classifier.labels) == 5
    assert classifier.card == {}


def test_many_videos_have_as_many_predictions(classifier, tmp_path):
    red = toy.write_clip(tmp_path / "red.avi", colour=toy.RED)
    right = toy.pictures(step=4)
    for videos in ([red, right], (red, right), iter([red, right])):
        found = classifier.classify(videos, snippets=1)
        assert [one.labels[0] for one in found] == ["red", "to the right"]
    assert found[1].video == "frames 12x80x96x3"
    assert classifier.classify([]) == []


def test_a_bad_video_raises_or_is_reported(classifier, tmp_path):
    (tmp_path / "bad.avi").write_text("nothing")
    good = toy.pictures(toy.BLUE)
    with pytest.raises(VideoError, match=r"bad.avi: FFmpeg finds no video in it"):
        classifier.classify(tmp_path / "bad.avi")
    with pytest.raises(VideoError, match=r"bad.avi"):
        classifier.classify([good, tmp_path / "bad.avi"])
    with pytest.raises(VideoError, match="single frame"):
        classifier.classify(good[:1])
    failed, answered = classifier.stream([tmp_path / "bad.avi", good])
    assert isinstance(failed, Failure) and failed.video.endswith("bad.avi")
    assert answered.labels[0] == "blue"


def test_features_are_vectors_by_name(classifier):
    frames = toy.pictures(toy.GREEN)
    one = classifier.features(frames)
    assert {name: x.shape for name, x in one.items()} == {"fused": (5,), "colour": (3,)}
    assert one["colour"].argmax() == 1
    two = classifier.features([frames, toy.pictures(toy.RED)])
    np.testing.assert_allclose(two[0]["fused"], one["fused"], rtol=1e-6)
    assert two[1]["colour"].argmax() == 0


def test_frames_in_memory_have_the_given_rate(classifier):
    frames = np.concatenate([toy.pictures(c, 40) for c in (toy.RED, toy.BLUE)])
    found = classifier.classify(frames, rate=10, window=4, snippets=1)
    assert [(p.label, p.start, p.end) for p in found.parts] == [
        ("red", 0, 4),
        ("blue", 4, 8),
    ]
    with pytest.raises(VideoError, match="too long: 8 s"):
        classifier.classify(frames, rate=10, limit=7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k = 0: expected a whole number from 1"),
        ({"snippets": 2.5}, "snippets = 2.5"),
        ({"snippets": True}, "snippets = True"),
        ({"window": -1}, "window = -1: expected a number above 0"),
        ({"window": float("nan")}, "window = nan"),
        ({"rate": "fast"}, "rate = 'fast'"),
        ({"topk": 3}, "topk: no such option; known are top_k, snippets"),
    ],
)
def test_wrong_options_are_named(classifier, options, message):
    for call in (classifier.classify, classifier.features, classifier.stream):
        with pytest.raises(UsageError, match=message):
            call(toy.pictures(), **options)


def test_fast_and_half_precision_predict_alike(classifier, tmp_path):
    folder = toy.export(tmp_path / "artifact")
    frames = toy.pictures(toy.BLUE)
    for more in ({"fast": True}, {"dtype": "bfloat16"}):
        found = stpn_jax.Classifier.load(folder, **more)
        found.warm_up()
        assert found.classify(frames).labels[0] == "blue"
    with pytest.raises(UsageError, match="has no float16 program"):
        stpn_jax.Classifier.load(folder, dtype="float16")
    with pytest.raises(UsageError, match=r"no artifact.json in it"):
        stpn_jax.Classifier.load(tmp_path)
