"""`--mode=compile`: on the CPU in place of a TPU, and with libtpu where it is."""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import jax
import jaxtyping
import pytest

from stpn_jax import main
from stpn_jax.experiment import compile_estimate, compile_jobs, compile_report, tpu

CONFIG = "--config=configs/demo.py"
SMALL = ["--config.data.input_size=32", "--config.data.crop_size=32"]
SPATIAL = ["--stages", "spatial", "--config.stages.spatial.batch=4"]
LIBTPU = pathlib.Path(sys.prefix) / "libtpu"
ROOT = pathlib.Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs the mode for this machine's CPU; status, output and compile.json."""
    monkeypatch.chdir(ROOT)
    # A lowered program holds shapes in the place of a state's arrays.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    monkeypatch.setattr(tpu, "devices", lambda _: jax.devices())
    monkeypatch.setattr(tpu, "compiler", lambda: "0")

    def call(*arguments):
        command = [CONFIG, "--mode=compile", f"--out={tmp_path}", *SMALL, *arguments]
        status = main.main(command)
        path = tmp_path / "compile.json"
        written = json.loads(path.read_text()) if path.exists() else None
        return status, capsys.readouterr(), written

    return call


def test_after_ctrl_c_nothing_is_promised(run, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(compile_jobs, "compiled", interrupt)
    status, printed, _ = run(*SPATIAL)
    assert status == 130
    assert printed.err.endswith("interrupted; the same command starts afresh\n")


def test_ctrl_c_does_not_wait_for_the_compiler():
    """The lock of the main thread is not held as C++ compiles, nor as this sleeps."""
    started = time.monotonic()
    main_thread = threading.main_thread().ident, signal.SIGINT
    # A shell starts what is in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, signal.pthread_kill, main_thread).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            compile_jobs._interruptible(lambda: time.sleep(60))
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(("temporaries", "largest"), [(2**30, 60), (0, None)])
def test_the_largest_batch_is_not_far(monkeypatch, temporaries, largest):
    """By hand: 4 a chip and 8 differ by 1 GiB or by 1 byte, and 14 GiB are free."""
    before = {"arguments": 1, "outputs": 0, "temporaries": 0, "total": 2**30}
    after = before | {"arguments": 2 - (temporaries > 0), "temporaries": temporaries}
    monkeypatch.setattr(compile_jobs, "compiled", lambda _: (None, 0.0))
    monkeypatch.setattr(compile_estimate, "sizes", lambda _: after)
    chip = tpu.chip("v5e:2x4")._replace(memory=15)
    target = compile_report.Target("v5e:2x4", [], chip)
    found, words = compile_report._largest({"bytes": before}, 4, None, target)
    assert found == largest
    assert words.startswith("about 60 a chip" if largest else "not known, more than 8")


@pytest.mark.slow
def test_a_stage(run):
    status, printed, written = run(*SPATIAL, "--classes=7")
    assert status == 0
    assert (
        "7 classes" in printed.out and "another batch is another recipe" in printed.out
    )
    assert written["classes"] == 7
    assert written["config"]["data"]["input_size"] == 32
    (one,) = written["programs"].values()
    assert one["fits"] and one["donated"] == one["state_arrays"] > 10
    snippet = 3 * 32 * 32 + 4 * 4 + 1 + 4 + 1 + 4
    sent = one["host_bytes_per_second"] * one["milliseconds"]["step"] / 1e3
    assert sent == pytest.approx(4 * snippet)
    assert one["largest_batch_per_chip"] is None
    assert "largest batch: not known, more than 8 a chip" in printed.out
    assert one["collectives"] == {} or one["collectives"]["all-reduce"]["bytes"] > 0


@pytest.mark.slow
def test_cached_feature_maps_need_no_decoding(run):
    levels = ["--config.stages.pyramid.cached_crops=2"]
    levels += ["--config.stages.pyramid.batch=2", "--stages", "pyramid"]
    _, printed, written = run(*levels)
    assert "need no decoding" in printed.out
    assert written["programs"]["pyramid"]["host_cores"] is None


def test_programs_that_do_not_fit_are_one_line_with_what_helps(run, monkeypatch):
    def compiled(job):
        raise compile_jobs.DoesNotFitError("requires (20.0G), available (15.75G)")

    monkeypatch.setattr(compile_jobs, "compiled", compiled)
    status, printed, written = run(*SPATIAL)
    assert status == 2 and not written["programs"]["spatial"]["fits"]
    (line,) = printed.err.splitlines()
    for word in (
        "[spatial] batch 4",
        "20.0G",
        "remat",
        "microbatch_size",
        "more chips",
    ):
        assert word in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--topology=v5e-8"], ["--topology=v5e-8", "v5e:2x4"]),
        (["--topology=h100:8"], ["--topology=h100:8", "v4:2x2x1"]),
        (["--topology=v5e:2x17"], ["--topology=v5e:2x17", "up to 16"]),
        (["--topology=v5p:2x2"], ["--topology=v5p:2x2", "three"]),
        (
            ["--stages=spatal"],
            ["--stages=spatal", "spatial, temporal, pyramid, export"],
        ),
    ],
)
def test_bad_arguments_are_one_line(run, monkeypatch, arguments, words):
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    status, printed, written = run(*arguments)
    assert status == 2 and written is None
    (line,) = printed.err.splitlines()
    assert all(word in line for word in words)


def test_a_batch_that_the_chips_cannot_share(run, monkeypatch):
    monkeypatch.setattr(tpu, "devices", lambda _: 3 * jax.devices()[:1])
    status, printed, _ = run(*SPATIAL)
    assert status == 2
    expected = "config.stages.spatial.batch = 4 cannot be shared by 3 devices; 3 or 6"
    assert expected in printed.err


def test_without_the_compiler_the_extra_is_named(run, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    find = importlib.util.find_spec
    hidden = lambda name, *more: None if name == "libtpu" else find(name, *more)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    status, printed, _ = run(*SPATIAL)
    assert status == 2
    assert "libtpu is not installed" in printed.err and "'.[tpu]'" in printed.err


@pytest.mark.exhaustive
@pytest.mark.skipif(
    not (LIBTPU.exists() or importlib.util.find_spec("libtpu")),
    reason="the TPU's compiler is not installed: launch/test.sh --all installs it",
)
def test_with_the_compiler_of_tpus(tmp_path):
    """Two hosts; in a process of its own, which nothing else has given a device."""
    command = [sys.executable, "-m", "stpn_jax.main", CONFIG, "--mode=compile"]
    command += [f"--out={tmp_path}", "--topology=v6e:4x4", "--stages", "spatial"]
    paths = f"{LIBTPU}:{os.environ.get('PYTHONPATH', '')}"
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    written = json.loads((tmp_path / "compile.json").read_text())
    assert (written["chips"], written["hosts"]) == (16, 4)
    one = written["programs"]["spatial"]
    assert one["cycles"]["convolution"] > 0 and one["unknown_loops"] == 0
    assert one["donated"] == one["state_arrays"]
    assert one["collectives"]["all-reduce"]["bytes"] > 4 * 10_000
    assert any("spatial/backbone" in row["module"] for row in one["dearest"])
