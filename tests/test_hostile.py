"""Damaged and hostile inputs: a clear line each, nothing left behind, nobody dies."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from reference import hostile, toy

import stpn_jax
from stpn_jax.inference.predictions import Failure, Prediction
from stpn_jax.video.decoding import VideoError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    bad, maybe = hostile.make(folder)
    assert len(bad) + len(maybe) >= 100
    return folder, bad, maybe


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy.export(tmp_path_factory.mktemp("model") / "artifact")


def everything_in(folder):
    return sorted(os.path.join(a, x) for a, b, c in os.walk(folder) for x in b + c)


@pytest.mark.slow
def test_predict_has_one_line_for_each(inputs, model, tmp_path):
    folder, bad, maybe = inputs
    before, out = everything_in(folder), tmp_path / "out"
    # Not all of them can be an argument of a command; nor is a glob one file.
    given = [one for one in (*bad, *maybe) if one and "\0" not in one]
    last = toy.write_clip(tmp_path / "last.mp4", colour=toy.RED)
    command = [sys.executable, "-m", "stpn_jax.predict", f"--model={model}"]
    command += [f"--out={out}", "--snippets=1", "--pictures", "--", *given, last]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1, done.stderr[-2000:]
    reports = list(map(json.loads, done.stdout.splitlines()))
    by_name = {report["video"]: report for report in reports}
    assert set(by_name) == {*given, last} and len(reports) == len(by_name)
    for report in reports:
        assert ("error" in report) != ("predictions" in report)
        assert report.get("error", "x").strip() and "\n" not in report.get("error", "")
    for one in bad:
        assert "error" in by_name.get(one, {"error": ""}), one
    assert "predictions" in by_name[last]
    sly = [os.path.join(folder, name) for name in hostile.SLY_NAMES]
    assert all("predictions" in by_name[path] for path in sly)
    said = done.stdout + done.stderr
    assert (
        b"\x1b" not in said
        and b"Traceback" not in said
        and hostile.SECRET.encode() not in said
    )
    assert everything_in(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"out", "last.mp4"}
    kinds = {path.suffix for path in out.iterdir()}
    assert kinds == {".json", ".png"} and not list(out.glob(".*"))


def test_the_api_has_a_prediction_or_a_reason_for_each(inputs, model):
    folder, bad, maybe = inputs
    before = everything_in(folder)
    classifier = stpn_jax.Classifier.load(model)
    wrong = [None, 7, object(), {}, b"\xff\0", pathlib.Path("/"), lambda: None]
    given = [*bad, *wrong, *maybe, toy.pictures(toy.RED)]
    found = list(classifier.stream(given, snippets=1))
    assert len(found) == len(given)
    assert all(isinstance(one, Failure) for one in found[: len(bad) + len(wrong)])
    for one in found:
        if isinstance(one, Failure):
            assert one.reason.strip() and "\n" not in one.reason
            assert hostile.SECRET not in one.reason
    assert isinstance(found[-1], Prediction) and found[-1].labels[0] == "red"
    assert everything_in(folder) == before
    for one in (*bad[:3], None, 7):
        with pytest.raises(VideoError):
            classifier.classify([one])
