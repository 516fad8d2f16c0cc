"""The commands of the README on a shrunken demo, killed and resumed on the way."""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from stpn_jax import main, predict
from stpn_jax.experiment import report_attempt
from stpn_jax.models import backbones
from stpn_jax.prepare import command as prepare
from stpn_jax.synthetic import videos as synthetic
from stpn_jax.train import checkpoint
from stpn_jax.utils import errors
from studies import __main__ as studies
from tests.reference import bucket

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly_compiled")]

ROOT = pathlib.Path(__file__).resolve().parents[1]
STAGES = ("spatial", "temporal", "pyramid")
# Optical flow computes for longer than it compiles.
OPTIMISED = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "False"}
SHORT = [
    "--config.data.size=(40, 40)",
    "--config.data.crop_size=32",
    "--config.data.input_size=32",
    "--config.data.tau=(2, 4)",
    "--config.model.temporal.width=32",
    "--config.model.attention.width=32",
    "--config.model.pyramid.width=64",
    "--config.evaluation.batch=4",
    "--config.run.log_every=2",
    "--config.run.validate_every=4",
    "--config.run.checkpoint_every=2",
    *(
        f"--config.stages.{stage}.{field}={value}"
        for stage in STAGES
        for field, value in (("steps", 6), ("batch", 4), ("lr_milestones", "(4,)"))
    ),
]


COMMANDS = {
    "main": main.main,
    "predict": predict.main,
    "prepare": prepare.main,
    "synthetic": synthetic.main,
    "studies": lambda given: errors.guard(lambda: studies.main(given)),
}


def run(module, *arguments, check=True):
    """What `python -m` does, in this process."""
    out, err = io.StringIO(), io.StringIO()
    command = [module, *map(str, arguments)]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = COMMANDS[module](command[1:])
    done = subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())
    return checked(done) if check else done


def start(module, *arguments, env=None, check=True):
    """The same in a process of its own."""
    command = [sys.executable, "-m", f"stpn_jax.{module}", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return checked(done) if check else done


def checked(done):
    if done.returncode:
        pytest.fail(f"{done.args} gave {done.returncode}:\n{done.stderr[-3000:]}")
    return done


@pytest.fixture
def no_report(monkeypatch):
    """The page takes half of a run's time: two tests read it."""
    monkeypatch.setattr(report_attempt, "attempt", lambda *_: None)


def train(data, workdir, *more, config="configs/demo.py"):
    return (
        "main",
        f"--config={config}",
        f"--config.data.data_dir={data}",
        f"--workdir={workdir}",
        *SHORT,
        *more,
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "videos"
    run("synthetic", folder, "--seed=3", "--train=2", "--test=1", "--frames=24")
    return folder


@pytest.fixture(scope="module")
def data(videos):
    folder = videos.parent / "data"
    start(
        "prepare", "--dataset=folder", f"--videos={videos}", f"--data_dir={folder}",
        "--size=40x40", "--workers=2", env=OPTIMISED,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def finished(data):
    workdir = data.parent / "run"
    done = run(*train(data, workdir))
    return workdir, done.stdout


def test_training_says_what_it_does_and_writes_its_files(finished):
    workdir, printed = finished
    assert "13 classes, 13 training, 13 validation, 13 test videos" in printed
    assert "of training" in printed and "GB of memory" in printed
    assert "  pyramid/metrics.jsonl" in printed
    for stage in STAGES:
        assert f"[{stage}] 6/6" in printed
        rows = (workdir / stage / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(row)["step"] for row in rows] == [2, 4, 6]
        assert list((workdir / stage / "tensorboard").iterdir())
    with open(workdir / "results.json") as file:
        results = json.load(file)
    assert list(results) == [
        "spatial", "temporal", "pyramid", "average of spatial and temporal"
    ]  # fmt: skip
    assert len(results["pyramid"]["per_class"]) == 13
    assert len(results["pyramid"]["per_group"]) == 5
    scores = np.load(workdir / "scores.npz")
    np.testing.assert_allclose(scores["pyramid"].sum(axis=1), 1, rtol=1e-4)
    assert "| pyramid |" in (workdir / "results.md").read_text()


def test_finished_run_started_again_writes_what_is_missing_alone(finished, data):
    workdir, _ = finished
    page = workdir / "report" / "index.html"
    text = page.read_text()
    page.unlink()
    before = (workdir / "results.json").stat().st_mtime_ns
    done = start(*train(data, workdir))
    assert done.stdout.count("finished before") == 3
    assert (workdir / "results.json").stat().st_mtime_ns == before
    assert page.read_text() == text


@pytest.mark.usefixtures("no_report")
def test_run_killed_in_each_stage_ends_with_the_same_parameters(finished, data):
    reference, _ = finished
    workdir = data.parent / "killed"
    killed, ended = (signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)
    for stage, (number, status) in zip(STAGES, (killed, ended, killed), strict=True):
        send_at(f"[{stage}] 4/6", number, status, train(data, workdir))
        assert not (workdir / "results.json").exists()
    run(*train(data, workdir))
    for stage in STAGES:
        assert_same_variables(reference / stage, workdir / stage)
        rows = (workdir / stage / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(row)["step"] for row in rows] == [2, 4, 6]
    results = [(run / "results.json").read_text() for run in (reference, workdir)]
    assert results[0] == results[1]


@pytest.mark.usefixtures("no_report")
def test_run_on_a_disk_that_fills_resumes_when_there_is_room(
    finished, data, small_disk
):
    reference, _ = finished
    workdir = small_disk(2000) / "run"
    done = start(*train(data, workdir), check=False)
    assert done.returncode == 2
    assert f"the disk of {workdir} is full; the last whole checkpoint is kept" in (
        done.stderr
    )
    assert checkpoint.newest_step(workdir / "spatial" / "checkpoints") >= 2
    small_disk(100_000)
    done = run(*train(data, workdir))
    assert "[spatial] 1/6" not in done.stdout
    for stage in STAGES:
        assert_same_variables(reference / stage, workdir / stage)


def test_a_workdir_in_a_bucket_is_like_one_on_a_disk(finished, data, tmp_path):
    pytest.importorskip("gcsfs")
    pytest.importorskip("gcp_storage_emulator")
    reference, _ = finished
    names = ("results.json", "scores.npz", "pyramid/metrics.jsonl")
    # Each checkpoint is hundreds of requests.
    rare = "--config.run.checkpoint_every=6", "--config.run.validate_every=0"
    with bucket.served() as env:
        done = start(*train(data, "gs://bucket/runs/a", *rare), env=env)
        assert "  pyramid/checkpoints/6" in done.stdout
        assert "  report/index.html" in done.stdout
        done = start(*train(data, "gs://bucket/runs/a"), env=env)
        assert done.stdout.count("finished before") == 3
        where = f"--out={tmp_path / 'artifact'}"
        start(*train(data, "gs://bucket/runs/a", "--mode=export", where), env=env)
        download = "from etils import epath; import sys; folder, *names = sys.argv[1:]"
        download += "\nfor name in names: path = epath.Path('gs://bucket/runs/a', name)"
        download += "; path.copy(epath.Path(folder, path.name), overwrite=True)"
        subprocess.run(
            [sys.executable, "-c", download, tmp_path, *names], env=env, check=True
        )
    results = [folder / "results.json" for folder in (reference, tmp_path)]
    assert results[0].read_text() == results[1].read_text()
    assert (tmp_path / "metrics.jsonl").exists()
    assert not (ROOT / "gs:").exists()
    scores = [np.load(folder / "scores.npz") for folder in (reference, tmp_path)]
    for row in scores[0]:
        np.testing.assert_array_equal(scores[0][row], scores[1][row])


def send_at(line, number, status, command):
    module, *arguments = command
    process = subprocess.Popen(
        [sys.executable, "-m", f"stpn_jax.{module}", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    for printed in process.stdout:
        if printed.startswith(line):
            os.killpg(process.pid, number)
    assert process.wait() == status


def assert_same_variables(one, other):
    trees = [checkpoint.restore_variables(p / "checkpoints") for p in (one, other)]
    for a, b in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_config_in_the_same_workdir_is_rejected(finished, data):
    workdir, _ = finished
    done = run(*train(data, workdir, "--config.seed=9"), check=False)
    assert done.returncode == 2
    assert "seed was 0 and is 9" in last_line(done)


def test_the_end_of_a_run_is_a_page_whose_links_are_files_beside_it(finished):
    folder = finished[0] / "report"
    text = (folder / "index.html").read_text()
    links = set(re.findall(r'(?:src|href)="([^"#]+)"', text))
    written = {path.name for path in folder.iterdir()} - {"index.html"}
    assert links == written
    always = {"groups", "classes", "confusion", "attention", "features", "learning"}
    assert {f"{name}.{end}" for name in always for end in ("png", "csv")} <= links
    assert any(name.startswith("cases_") for name in links)
    for section in (
        "Accuracy",
        "Confusion matrix",
        "Throughput",
        "Config and versions",
    ):
        assert f"<h2>{section}</h2>" in text
    assert "  report/index.html" in finished[1]


def test_the_report_again_compares_attention_with_boxes(finished, data, videos):
    workdir, _ = finished
    out = data.parent / "report"
    more = (f"--boxes={videos / 'boxes.csv'}", f"--out={out}")
    done = run(*train(data, workdir, "--mode=report", *more))
    assert f"written {out}/index.html" in done.stdout
    with open(out / "inside.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    assert all(0 <= float(row["mass"]) <= float(row["most"]) <= 1 for row in rows)
    # A sprite's box is a sixteenth of the frame.
    area = sum(float(row["area"]) for row in rows) / len(rows)
    assert area == pytest.approx(1 / 16, rel=0.3)


def test_runs_are_compared_without_a_config(finished, data):
    workdir, _ = finished
    other = data.parent / "copied"
    other.mkdir()
    for name in ("scores.npz", "dataset.json"):
        shutil.copy(workdir / name, other / name)
    out = data.parent / "comparison"
    done = run("main", "--mode=compare", "--runs", workdir, other, f"--out={out}")
    assert "| pyramid | copied | +0.0 [+0.0, +0.0] | 0 | 0 | 1 |" in done.stdout
    assert {path.suffix for path in out.iterdir()} == {".md", ".csv", ".png"}
    done = run("main", "--mode=compare", "--runs", workdir, check=False)
    assert done.returncode == 2 and "expected two workdirs" in last_line(done)


@pytest.fixture(scope="module")
def artifact(finished, data):
    workdir, _ = finished
    folder = data.parent / "artifact"
    run(*train(data, workdir, "--mode=export", f"--out={folder}"))
    return folder


def test_exported_artifact_predicts(artifact, data, videos):
    clip = next(videos.glob("test/*/*.mp4"))
    out = data.parent / "predictions"
    run("predict", f"--model={artifact}", clip, f"--out={out}", "--pictures")
    (report,) = [json.loads(p.read_text()) for p in out.glob("*.json")]
    assert len(report["predictions"]) == 5
    assert list(out.glob("*.png"))


@pytest.mark.usefixtures("no_report")
def test_a_network_of_ones_own_is_a_start(finished, data):
    workdir, _ = finished
    again = data.parent / "from-own"
    done = run(*train(data, again, f"--init_from={workdir / 'pyramid'}"))
    assert "[pyramid] 6/6" in done.stdout
    run(*train(data, again, "--mode=evaluate"))
    done = run(*train(data, again), check=False)
    assert done.returncode == 2 and "init_from was" in last_line(done)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--config.data.data_dir="], "config.data.data_dir is empty"),
        (["--config.data.data_dir=nowhere"], "stpn prepare"),
        (
            ["--config.data.size=(40, 40)", "--config.data.dataset=hmdb51"],
            "its videos are of 'folder'",
        ),
        ([], "40x40"),
        (["--config.stages.spatial.stepz=3"], "stepz: no such field; did you mean"),
        (["--config.stages.spatil.steps=3"], "did you mean spatial?"),
        (["--mode=trian"], "--mode: invalid choice: 'trian'"),
        (["--config.data.tau=(1, 2, 3)"], "config.data.tau"),
        (["--config=configs/missing.py"], "configs/missing.py"),
        (["--config=configs/demo.py:missing"], "table6_b"),
        (["--no_such_flag"], "no_such_flag"),
        (
            [*SHORT, "--config.stages.temporal.lr_multipliers=(('^conv', 2.0),)"],
            "temporal.lr_multipliers: '^conv' matches no parameter of the temporal",
        ),
        (
            [
                *SHORT,
                "--config.model.backbone=bn_inception",
                "--config.model.weights=missing.pth",
            ],
            "missing.pth",
        ),
    ],
)
def test_bad_input_gets_one_line(data, tmp_path, capsys, change, message):
    where = [f"--config.data.data_dir={data}", f"--workdir={tmp_path / 'run'}"]
    assert main.main(["--config=configs/demo.py", *where, *change]) == 2
    assert message in last_line(capsys.readouterr())


def test_a_tables_rows_share_their_streams(finished, data):
    workdir, _ = finished
    folder = data.parent / "table"
    rows = [
        "studies",
        "table6",
        "--config=configs/demo.py",
        f"--workdir={folder}",
        *SHORT,
    ]
    rows.append(f"--config.data.data_dir={data}")
    done = run(*rows, "--rows=table6_a,table6_d")
    assert done.stdout.count("finished before") == 2
    assert done.stdout.count("tested before") == 2
    *_, a, b, c, d = (folder / "table6.md").read_text().splitlines()
    assert a.startswith("| A: two streams | ") and " | 91.7 | " in a
    assert d.startswith("| D: C + attention | ") and " | 94.2 | " in d
    assert " | - | 93.2 | " in b and " | - | 93.6 | " in c
    split = folder / "folder-split1"
    text = (split / "table6_a" / "report" / "index.html").read_text()
    assert "no stage fuses two streams" in text and "has no attention" in text
    for stage in ("spatial", "temporal"):
        assert_same_variables(workdir / stage, split / "streams-tiny" / stage)
    assert_same_variables(workdir / "pyramid", split / "table6_d" / "pyramid")
    done = run(*rows, "--rows=table6_a,table6_d", "--config.seed=3", check=False)
    assert done.returncode == 2 and "seed was 0 and is 3" in last_line(done)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table6", "--rows=table5_stcb"], "expected some of table6_a"),
        (["table4", "--config.stages.pyramid.steps=1"], "no variant has that stage"),
        (["table6", "--config.stages.spatial.stepz=1"], "did you mean steps?"),
        (["table6", "--mode=train"], "unknown argument '--mode=train'"),
        (["table6", "--splits=one"], "--splits"),
        (["table3", "--config.model.pyramid.kind=sum"], "are the same run"),
        (["table6", "--config=configs/demo.py"], "are the same run"),
        (["table2", "--config.model.weights=missing.pth"], "missing.pth"),
    ],
)
def test_a_table_rejects_bad_input(tmp_path, capsys, arguments, message):
    table, *more = arguments
    where = ["--config=configs/demo.py", f"--workdir={tmp_path / 'table'}"]
    assert errors.guard(lambda: studies.main([table, *where, *more])) == 2
    assert message in last_line(capsys.readouterr())


def test_a_table_rejects_a_config_that_ignores_its_rows(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "from configs import demo\n\n\ndef get_config(variant):\n"
        "    return demo.get_config()\n"
    )
    for number, message in (
        ("table4", "no stage paths"),
        ("table6", "are the same run"),
    ):
        arguments = [number, f"--config={tmp_path / 'mine.py'}"]
        assert errors.guard(lambda: studies.main(arguments)) == 2  # noqa: B023
        assert message in last_line(capsys.readouterr())


@pytest.mark.usefixtures("no_report")
def test_shared_streams_keep_the_scores_of_their_last_step_only(finished, data):
    shared = data.parent / "shared-streams"
    short = [one for one in SHORT if "stages.pyramid" not in one]

    def command(workdir, *more):
        flags = ("--config=configs/demo.py:table6_a", f"--streams={shared}")
        where = f"--config.data.data_dir={data}"
        return ("main", *flags, f"--workdir={workdir}", where, *short, *more)

    run(*command(data.parent / "a1"))
    kept = {stage: shared / stage / "scores.npz" for stage in ("spatial", "temporal")}
    assert all(path.exists() for path in kept.values())
    # As if it had been interrupted before its last step.
    shutil.rmtree(shared / "temporal" / "checkpoints" / "6")
    kept["temporal"].unlink()
    run(*command(data.parent / "a1", "--mode=evaluate"))
    assert not kept["temporal"].exists()
    kept["spatial"].write_bytes(b"PK cut short")
    done = run(*command(data.parent / "a2"))
    assert "[temporal] 6/6" in done.stdout and "tested before" not in done.stdout
    reference = np.load(finished[0] / "scores.npz")
    for stage, scores in np.load(data.parent / "a2" / "scores.npz").items():
        if stage in kept:
            np.testing.assert_array_equal(scores, reference[stage])


def test_other_videos_of_the_same_names_are_not_the_same_data(finished, data):
    workdir, _ = finished
    other = data.parent / "other-data"
    shutil.copytree(data, other)
    index = other / "index.npz"
    arrays = dict(np.load(index))
    name = next(name for name, a in arrays.items() if a.ndim == 2 and len(a) > 99)
    arrays[name] = arrays[name].copy()
    arrays[name][0, 1] -= 1
    np.savez(index, **arrays)
    done = run(*train(other, workdir), check=False)
    assert done.returncode == 2 and "videos was" in last_line(done)


@pytest.mark.usefixtures("no_report")
def test_the_backbone_of_the_docs_trains_from_outside_the_package(
    data, tmp_path, monkeypatch
):
    monkeypatch.setitem(backbones.BACKBONES, "mine", None)  # And taken out again.
    page = (ROOT / "docs" / "weights.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    (code,) = (block for block in blocks if "BACKBONES[" in block)
    (tmp_path / "mine.py").write_text(code)
    done = run(
        *train(data, tmp_path / "run", config=tmp_path / "mine.py"),
        *(f"--config.stages.{stage}.steps=1" for stage in STAGES),
        *(f"--config.stages.{stage}.lr_milestones=()" for stage in STAGES),
    )
    assert "[pyramid] 1/1" in done.stdout
    assert "backbone mine, weights none" in done.stdout


@pytest.mark.usefixtures("no_report")
def test_a_stream_over_cached_maps_trains_its_classifier_alone(finished, data):
    workdir = data.parent / "classifier"
    done = run(
        *train(data, workdir, f"--init_from={finished[0] / 'pyramid'}"),
        *("--config.stages.spatial.cached_crops=2", "--config.stages.temporal.steps=0"),
        "--config.stages.pyramid.steps=0",
    )
    assert "[spatial] maps of 28 training snippets of 13 videos" in done.stdout
    old, new = (
        checkpoint.restore_variables(folder / "checkpoints")["params"]
        for folder in (finished[0] / "pyramid", workdir / "spatial")
    )
    for a, b in zip(
        *map(jax.tree.leaves, (old["spatial"], new["spatial"])), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert np.abs(new["classifier"]["dense"]["kernel"]).max() > 0
    results = json.loads((workdir / "results.json").read_text())
    assert "spatial" in results


@pytest.mark.usefixtures("no_report")
def test_exported_streams_are_weights_and_no_steps_leave_them_as_they_are(
    finished, artifact, data
):
    workdir, _ = finished
    again = data.parent / "without-steps"
    run(
        *train(data, again, f"--config.model.weights={artifact / 'weights.npz'}"),
        *(f"--config.stages.{stage}.steps=0" for stage in STAGES),
    )
    old, new = (
        checkpoint.restore_variables(folder / "pyramid" / "checkpoints")
        for folder in (workdir, again)
    )
    for stream in ("spatial", "temporal"):
        trees = (tree["params"][stream] for tree in (old, new))
        for a, b in zip(*map(jax.tree.leaves, trees), strict=True):
            np.testing.assert_array_equal(a, b)
        notes = json.loads((again / stream / "weights.json").read_text())
        assert notes[stream]["layout"] == "stpn_jax"
        assert len(notes[stream]["sha256"]) == 64


def test_weights_that_do_not_fit_leave_no_workdir_behind(data, tmp_path):
    workdir = tmp_path / "run"
    wrong = ("--config.model.weights=package:efficientnet-lite0",)
    done = run(
        *train(data, workdir, "--config.model.backbone=resnet50", *wrong), check=False
    )
    assert done.returncode == 2 and "efficientnet_lite0" in last_line(done)
    assert not workdir.exists()


def last_line(done):
    text = done.err if hasattr(done, "err") else done.stderr
    *_, line = text.strip().splitlines()
    assert "Traceback" not in text
    assert line.startswith("error: ")
    return line


def test_groups_come_from_the_videos(videos):
    with open(videos / "groups.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 13


def test_study_trains_its_rows_once_and_writes_their_table(data, tmp_path):
    command = (
        "studies", "made", f"--data={data}", "--only=sketches", "--seeds=1",
        f"--workdir={tmp_path / 'runs'}", f"--results={tmp_path / 'results'}",
        f"--report={tmp_path / 'RESULTS.md'}", *SHORT,
        "--config.stages.pyramid.cached_crops=2",
    )  # fmt: skip
    first = run(*command).stdout
    assert first.count("[spatial] 6/6") == first.count("[temporal] 6/6") == 1
    assert first.count("[pyramid] 6/6") == 2
    assert len(re.findall(r"maps of \d+ training snippets of 26 videos", first)) == 1
    text = (tmp_path / "RESULTS.md").read_text()
    assert "<!-- made/sketches -->\n| variant | accuracy | seeds | difference |" in text
    assert "| attention from motion alone |" in text and "0 of 1" in text
    with open(tmp_path / "results" / "made" / "sketches.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13 and {row["group"] for row in rows} > {"a_appearance"}
    assert list(rows[0])[3:] == [
        "table6_d pyramid seed 0",
        "whole_attention_temporal pyramid seed 0",
    ]
    again = run(*command).stdout
    assert "[pyramid]" not in again and "| attention from motion alone |" in again
    assert (tmp_path / "RESULTS.md").read_text() == text
