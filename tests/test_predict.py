"""predict: videos in, JSON and pictures out, with bad files among them."""

import errno
import io
import json
import os
import signal
import subprocess
import sys

import av
import pytest
from matplotlib import image as reader
from reference import toy
from reference.toy import write_clip

from stpn_jax import predict
from stpn_jax.inference import pictures
from stpn_jax.ops import tvl1
from stpn_jax.video import flow_codec


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy.export(tmp_path_factory.mktemp("model") / "artifact")


def run(capsys, model, videos, *flags):
    status = predict.main([f"--model={model}", *flags, *map(str, videos)])
    captured = capsys.readouterr()
    return status, list(map(json.loads, captured.out.splitlines())), captured.err


def test_names_colours_and_directions(model, tmp_path, capsys):
    videos = [
        write_clip(tmp_path / "red.avi", colour=(200, 60, 60)),
        write_clip(tmp_path / "right.mp4", step=4),
        write_clip(tmp_path / "left.mp4", step=-4),
    ]
    status, reports, _ = run(capsys, model, videos)
    assert status == 0
    best = [report["predictions"][0]["label"] for report in reports]
    assert best == ["red", "to the right", "to the left"]
    assert [report["video"] for report in reports] == videos
    for report in reports:
        assert report["frames"] == 12 and report["rate"] == 25
        assert set(report["seconds"]) == {"decode", "flow", "network"}
        shares = [p["probability"] for p in report["predictions"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_writes_nothing_unless_it_is_asked_to(model, tmp_path, capsys, monkeypatch):
    clip = write_clip(tmp_path / "red.avi")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(capsys, model, [clip])[0] == 0
    assert not list((tmp_path / "here").iterdir())
    assert run(capsys, model, [clip], "--pictures")[0] == 0
    names = [path.name for path in sorted((tmp_path / "here").rglob("*.*"))]
    assert names == ["red.json", "red.png"]


def test_writes_a_report_a_picture_and_the_attention_over_the_video(
    model, tmp_path, capsys
):
    clip, out = write_clip(tmp_path / "red.avi", count=13), tmp_path / "out"
    flags = (f"--out={out}", "--pictures", "--overlay", "--top_k=2")
    _, (report,), _ = run(capsys, model, [clip], *flags)
    assert json.loads((out / "red.json").read_text()) == report
    assert len(report["predictions"]) == 2
    assert report["picture"] == str(out / "red.png")
    picture = (out / "red.png").read_bytes()
    assert reader.imread(io.BytesIO(picture)).shape == (480, 1200, 4)
    assert report["overlay"] == str(out / "red.mp4")
    with av.open(report["overlay"]) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 13 and frames[0].shape == (40, 48, 3)
    assert sorted(path.name for path in out.iterdir()) == [
        "red.json",
        "red.mp4",
        "red.png",
    ]


def test_a_bad_file_does_not_stop_the_others(model, tmp_path, capsys):
    good = write_clip(tmp_path / "good.avi")
    (tmp_path / "empty.avi").write_bytes(b"")
    (tmp_path / "text.avi").write_text("no video at all\n" * 100)
    still = write_clip(tmp_path / "still.avi", count=1)
    bad = [str(tmp_path / "empty.avi"), str(tmp_path / "text.avi"), still]
    videos = [*bad, str(tmp_path / "missing.avi"), good]
    out = tmp_path / "out"
    status, reports, errors = run(capsys, model, videos, f"--out={out}")
    assert status == 1
    assert ["error" in report for report in reports] == [True] * 4 + [False]
    assert "single frame" in reports[2]["error"]
    assert "4 of 5 videos could not be read" in errors
    for report in reports[:4]:
        assert "\n" not in report["error"]
    assert json.loads((out / "empty.json").read_text()) == reports[0]


def test_a_folder_and_a_glob_give_one_line_a_file(model, tmp_path, capsys):
    (tmp_path / "a" / "deeper").mkdir(parents=True)
    write_clip(tmp_path / "a" / "one.avi")
    write_clip(tmp_path / "a" / "deeper" / "two.MP4")
    (tmp_path / "a" / "bad.avi").write_bytes(b"RIFF")
    (tmp_path / "a" / "notes.txt").write_text("no video")
    (tmp_path / "empty").mkdir()
    given = [tmp_path / "a", tmp_path / "a" / "*.avi", tmp_path / "none*"]
    status, reports, errors = run(capsys, model, [*given, tmp_path / "empty"])
    assert status == 1
    found = {report["video"].removeprefix(f"{tmp_path}/"): report for report in reports}
    assert len(reports) == len(found) == 5
    assert {name for name, report in found.items() if "error" in report} == {
        "a/bad.avi",
        "none*",
        "empty",
    }
    assert found["empty"]["error"] == "there is no video in it"
    assert "3 of 5 videos could not be read" in errors


def test_short_and_odd_sized_clips_are_read(model, tmp_path, capsys):
    videos = [
        write_clip(tmp_path / "short.avi", count=3),
        write_clip(tmp_path / "odd.avi", size=(98, 62)),
    ]
    status, reports, _ = run(capsys, model, videos)
    assert status == 0
    assert [report["frames"] for report in reports] == [3, 12]


def test_a_long_video_has_a_timeline(model, tmp_path, capsys):
    video = toy.write_three_parts(tmp_path / "three.mp4", seconds=24)
    _, (report,), _ = run(capsys, model, [video], "--window=4", "--snippets=1")
    assert [part["label"] for part in report["parts"]] == ["red", "green", "blue"]
    assert [part["end"] for part in report["parts"]] == [8, 16, 24]
    assert len(report["windows"]) == 11 and report["windows"][1]["start"] == 2


def test_a_video_over_the_limit_is_rejected(model, tmp_path, capsys):
    video = toy.write_three_parts(tmp_path / "three.mp4", seconds=24)
    status, (report,), _ = run(capsys, model, [video], "--limit_minutes=0.1")
    assert status == 1
    assert report["error"] == "it is too long: 24 s, where 6 s are allowed; cut it"


def test_a_truncated_artifact_is_one_line(model, tmp_path, capsys):
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:200])
    status = predict.main([f"--model={tmp_path}", "clip.avi"])
    errors = capsys.readouterr().err
    assert status == 2
    assert errors.startswith("error: ") and errors.count("\n") == 1


def test_bad_arguments_are_one_line(model, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = [
        [f"--model={model}"],
        [f"--model={model}", "clip.avi", "--top_k=0"],
        [f"--model={model}", "clip.avi", "--window=-1"],
        [f"--model={model}", "clip.avi", "--limit_minutes=long"],
        [f"--model={model}", "clip.avi", "--dtype=float16"],
        [f"--model={model}", "clip.avi", f"--out={tmp_path / 'file'}"],
        [f"--model={tmp_path}", "clip.avi"],
    ]
    culprits = "VIDEO --top_k --window --limit_minutes --dtype file stpn"
    for given, culprit in zip(arguments, culprits.split(), strict=True):
        assert predict.main(given) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("error: ") and errors.count("\n") == 1
        assert culprit in errors


def test_fast_is_another_flow_with_one_crop_and_few_snippets(
    model, tmp_path, capsys, monkeypatch
):
    used = []
    compute = flow_codec.compute
    monkeypatch.setattr(
        flow_codec, "compute", lambda f, p, *a: used.append(p) or compute(f, p, *a)
    )
    clips = [write_clip(tmp_path / "clip.mp4")]
    status, (report,), errors = run(capsys, model, clips, "--fast", "--dtype=bfloat16")
    assert status == 0 and report["snippets"] == 2
    assert "2 snippets in 1 crop each" in errors
    assert set(used) == {tvl1.PRESETS["fast"]}


def test_what_fails_while_it_is_written_leaves_nothing(
    model, tmp_path, capsys, monkeypatch
):
    clip, out = write_clip(tmp_path / "a.avi"), tmp_path / "out"

    def half(path, *_):
        path.write_bytes(b"half a fi")
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "write_overlay", half)
    status, reports, errors = run(capsys, model, [clip], f"--out={out}", "--overlay")
    assert status == 130 and not reports and "interrupted" in errors
    assert not list(out.iterdir())


SCRIPT = """
import sys
from stpn_jax import predict
status = predict.main(sys.argv[1:])
heavy = {"tensorflow", "tensorflow_datasets", "flax", "optax", "grain", "orbax"}
heavy |= {"matplotlib", "PIL", "cv2"}
ours = ("models", "train", "evaluation", "weights", "experiment")
ours += ("records", "datasets", "prepare", "report", "figures")
heavy |= {f"stpn_jax.{name}" for name in ours}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
sys.exit(status)
"""


def test_loads_no_training_code_and_prints_json_alone(model, tmp_path):
    path = write_clip(tmp_path / "clip.avi")
    flags = [f"--model={model}", f"--out={tmp_path}", "--snippets=1", path]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *flags], check=True, stdout=subprocess.PIPE
    )
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["video"] == path


@pytest.mark.slow
def test_sigterm_and_a_closed_pipe_end_it_quietly(model, tmp_path):
    for i in range(40):
        write_clip(tmp_path / f"{i}.avi", count=3, size=(32, 32))
    command = [sys.executable, "-m", "stpn_jax.predict", f"--model={model}", tmp_path]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    assert process.wait() == 128 + signal.SIGPIPE


def test_a_full_disk_is_one_line_with_its_folder(model, tmp_path, monkeypatch, capsys):
    def full(path, write):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(predict, "save", full)
    path = write_clip(tmp_path / "clip.avi")
    flags = [f"--model={model}", f"--out={tmp_path / 'out'}", "--snippets=1", path]
    assert predict.main(flags) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"error: the disk of {tmp_path / 'out'} is full; the videos")
