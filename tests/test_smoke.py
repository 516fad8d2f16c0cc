"""The whole path in one process: prepare, two updates, evaluate, export, predict."""

import json
import shutil

import jax
import numpy as np
import pytest
from test_end_to_end import SHORT, STAGES

import stpn_jax
from stpn_jax import cli
from stpn_jax.experiment import report_attempt
from stpn_jax.synthetic import videos as synthetic
from stpn_jax.train import checkpoint

FEWER = [
    "--config.run.log_every=1",
    "--config.run.validate_every=2",
    "--config.run.checkpoint_every=1",
    "--config.stages.pyramid.averaging=0.5",
    *(
        f"--config.stages.{stage}.{field}={value}"
        for stage in STAGES
        for field, value in (("steps", 2), ("lr_milestones", "(1,)"))
    ),
]


def stpn(*arguments):
    assert cli.run([str(one) for one in arguments]) == 0, arguments


@pytest.fixture(scope="module", autouse=True)
def no_report():
    """The page of pictures takes longer than all else here, and has its own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_attempt, "attempt", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def work(request, tmp_path_factory):
    """Videos, records, a finished run and its artifact."""
    folder = tmp_path_factory.mktemp("smoke")
    made = [folder / "videos", "--seed=3", "--train=2", "--test=1", "--frames=24"]
    assert synthetic.main([str(one) for one in made]) == 0
    stpn(
        *("prepare", "--dataset=folder", f"--videos={folder / 'videos'}"),
        *(f"--data_dir={folder / 'data'}", "--size=40x40", "--workers=1"),
    )
    # Optical flow computes for longer than it compiles; a step of training does not.
    request.getfixturevalue("quickly_compiled")
    stpn("train", *flags(folder))
    stpn("export", *flags(folder), f"--out={folder / 'artifact'}")
    return folder


def flags(folder, run="run"):
    return [
        "--config=configs/demo.py",
        f"--config.data.data_dir={folder / 'data'}",
        f"--workdir={folder / run}",
        *SHORT,
        *FEWER,
    ]


def test_training_tests_each_stage_on_the_held_out_videos(work):
    results = json.loads((work / "run" / "results.json").read_text())
    assert list(results) == [*STAGES, "average of spatial and temporal"]
    scores = np.load(work / "run" / "scores.npz")
    assert all(scores[stage].shape == (13, 13) for stage in STAGES)


def test_evaluating_again_gives_the_same_scores(work):
    files = [work / "run" / name for name in ("results.json", "scores.npz")]
    before = [file.read_bytes() for file in files]
    stpn("evaluate", *flags(work))
    assert files[0].read_bytes() == before[0]
    assert files[1].read_bytes() == before[1]


def test_an_interrupted_run_resumes_at_its_step(work):
    """Equal to the bit, with every step logged once."""
    again = work / "again"
    shutil.copytree(work / "run", again)
    for name in ("results.json", "scores.npz", "pyramid/checkpoints/2"):
        path = again / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    stpn("train", *flags(work, "again"))
    lines = (again / "pyramid" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    folders = [work / run / "pyramid" / "checkpoints" for run in ("run", "again")]
    one, other = map(checkpoint.restore_variables, folders)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_the_artifact_names_the_classes_in_the_order_of_the_labels(work):
    classifier = stpn_jax.Classifier.load(work / "artifact")
    classes = json.loads((work / "data" / "dataset.json").read_text())["meta"][
        "classes"
    ]
    assert list(classifier.labels) == classes


def test_a_video_is_predicted(work, capsys):
    clip = next((work / "videos" / "test").glob("*/*.mp4"))
    capsys.readouterr()
    stpn("predict", f"--model={work / 'artifact'}", clip)
    (report,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert report["video"] == str(clip) and len(report["predictions"]) == 5
