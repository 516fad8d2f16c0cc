"""The benchmarks of speed run at a tiny size and print what they promise."""

import contextlib
import io
import re
import subprocess

import jax
import numpy as np
import pytest

from benchmarks import precision, recipe_time, scaling, stcb, structure, train_step
from stpn_jax.train import logging

pytestmark = pytest.mark.usefixtures("quickly_compiled")


def test_precision_of_a_run_without_validation(tmp_path):
    (tmp_path / logging.JSON_LINES).write_text('{"step": 2, "loss": 0.5}\n')
    first = precision.curve("float32", tmp_path, "loss")
    printed = precision.describe("float32", "spatial", tmp_path, first)
    assert "0.500" in printed and "no validation score" in printed


@pytest.mark.slow
def test_stcb(capsys):
    sizes = ["--locations=6", "--channels=8", "--width=16", "--pathways", "2", "3"]
    device = ["--bandwidth=100", "--peak=100"]
    stcb.main([*sizes, *device, "--repeats=1", "--forms", "--no_compile"])
    printed = capsys.readouterr().out
    assert len(re.findall(r"forward +ours +[\d.]+ ms", printed)) == 2
    for form in stcb.FORMS:
        assert len(re.findall(rf"with gradients +{form} +[\d.]+ ms", printed)) == 2
    assert all(float(x) < 1e-5 for x in re.findall(r"apart (\S+)", printed))


@pytest.mark.slow
def test_a_step_alone_says_the_time_of_its_kernels(capsys):
    case = ["--backbones=tiny", "--dtypes=float32", "--batch=2", "--side=16"]
    train_step.main([*case, "--only=ours", "--kernels", "--repeats=1"])
    printed = capsys.readouterr().out
    assert re.fullmatch(r"[\d.]+ clips/s\nno kernels of a GPU were seen\n", printed)


@pytest.mark.slow
def test_train_step(capsys):
    case = ["--backbones=tiny", "--dtypes=float32", "--batch=2", "--side=16"]
    device = ["--bandwidth=100", "--peak=1"]
    train_step.main([*case, *device, "--libraries=ours", "--repeats=1"])
    printed = capsys.readouterr().out
    assert re.search(r"ours +[\d.]+ clips/s", printed)
    assert re.search(r"floor [\d.]+ clips/s; ours at 0", printed)


def test_train_step_in_processes_of_their_own(capsys, monkeypatch):
    """Each is given all of the case, and flags that XLA can read: no space ahead."""
    given = []

    def run(command, env, **_):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            train_step.main(command[3:])
        given[-1] += (env["XLA_FLAGS"],)
        return subprocess.CompletedProcess(command, 0, printed.getvalue(), "")

    def alone(case, name, repeats, kernels):
        assert not kernels
        given.append((case, name, repeats))
        print(f"{10 * case.batch:.3f} clips/s")

    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(train_step, "alone", alone)
    monkeypatch.setattr(train_step, "compare", lambda *_: {"ours": 1.0})
    options = ["--network=spatial", "--backbones=tiny", "--dtypes=bfloat16"]
    options += ["--batch=1", "--side=16", "--repeats=7", "--bandwidth=100", "--peak=1"]
    train_step.main([*options, "--libraries=ours", "--largest=2", "--deterministic"])
    case = train_step.Case("spatial", "tiny", "bfloat16", 1, 16)
    assert given == [
        (case, "ours", 7, "--xla_gpu_deterministic_ops=true"),
        (case, "ours", 7, ""),
        (case._replace(batch=2), "ours", 7, ""),
    ]
    printed = capsys.readouterr().out
    assert "ours with --xla_gpu_deterministic_ops=true: 10.00 clips/s" in printed
    assert "ours: best at 2, 20.00 clips/s" in printed


def test_the_search_ends_where_twice_as_many_do_not_pay(monkeypatch):
    rates = {2: 10.0, 4: 15.0, 8: 15.1, 16: 99.0}
    monkeypatch.setattr(train_step, "_elsewhere", lambda case, *_: rates[case.batch])
    case = train_step.Case("spatial", "tiny", "float32", 2, 16)
    assert train_step.search(case, "ours", 1, 16) == (4, 15.0)


def test_a_process_that_fails_says_why(capsys, monkeypatch):
    ended = subprocess.CompletedProcess([], 1, "", "Traceback\nMemoryError: 80 GB\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ended)
    case = train_step.Case("spatial", "tiny", "float32", 2, 16)
    assert train_step.search(case, "ours", 1, 16) == (2, 0.0)
    assert "ours fails at 2: MemoryError: 80 GB" in capsys.readouterr().out


def test_the_floor_counts_the_operations_of_a_network():
    """Of VGG-16 it is known: 15.35 G products in its convolutions, at 224 pixels."""
    case = train_step.Case("spatial", "vgg16", "float32", 1, 224)
    seconds = train_step.roofline(case, 1e9, 1e30)
    first, hidden = 3 * 9 * 64 * 224**2, 25088 * 4096 + 4096**2 + 4096 * 101
    assert seconds * 1e9 == pytest.approx(
        6 * (15.3466e9 + hidden) - 2 * first, rel=1e-3
    )


@pytest.mark.slow
def test_the_network_in_torch_is_ours():
    pytest.importorskip("torch")
    case = train_step.Case("pyramid", "efficientnet_lite0", "float32", 2, 32)
    found = re.search(r"outputs (\S+) apart", train_step.agreement(case))
    assert float(found[1]) < 1e-3


@pytest.mark.exhaustive
def test_scaling(capsys):
    scaling.main(["--counts", "2", "--batch=1", "--side=16", "--repeats=1"])
    printed = capsys.readouterr().out
    size = float(re.search(r"2 devices .* all-reduces of ([\d.]+) MB", printed)[1])
    case = train_step.Case("pyramid", "tiny", "float32", 1, 16)
    params = jax.eval_shape(lambda: train_step.initial(case))["params"]
    least = 4e-6 * sum(x.size for x in jax.tree.leaves(params))
    assert least <= size < 1.1 * least
    assert all(name in printed for name in scaling.PODS)


def test_the_model_of_a_pod():
    """By hand: 2 s of compute, 1.5 s of all-reduce of which 1 s is hidden."""
    pod = scaling.Pod(devices=4, per_host=2, cores=10, peak=1.0, link=1.0)
    sizes = ["--flops=1e11", "--batch_per_device=10", "--parameters=2.5e8"]
    shares = ["--utilisation=0.5", "--overlap=0.5", "--snippets_per_core=1"]
    options = scaling._parse([*sizes, *shares])
    assert scaling.model(pod, options) == pytest.approx((2.0, 1.5, 2.0, 2.5))


def test_recipe_time(capsys):
    options = [
        "--configs",
        "hmdb51",
        "--variant=lite0,table6_a",
        "--utilisation",
        "0.1",
    ]
    recipe_time.main([*options, "--rates", "spatial=100"])
    printed = capsys.readouterr().out
    assert len(re.findall(r"H100 +as measured", printed)) == 1
    assert len(re.findall(r"H100 +10% of peak", printed)) == 1


def test_minutes_of_a_recipe():
    pod = recipe_time.MACHINES[recipe_time.TPU]
    spent = recipe_time.minutes(48_000, 10.0, pod, per_core=0.1)
    assert spent.compute == pytest.approx(48_000 / (8 * 10) / 60)
    assert spent.input == spent.total == pytest.approx(48_000 / (224 * 0.1) / 60)
    assert recipe_time.minutes(48_000, 10.0, pod, per_core=100.0).total == spent.compute


def test_structure(tmp_path, capsys):
    """By hand: the nested function counts in the outer one too, decorators do not."""
    wide = f"x = 1  # {'-' * 90}\n"
    outer = "@cache\ndef f():\n    def g():\n        return 1\n\n    return g\n"
    long = "def h():\n" + "    x = 1\n" * 60
    for name, text in {
        "stpn_jax/__init__.py": "",
        "stpn_jax/a/__init__.py": "",
        "stpn_jax/a/same.py": wide + outer,
        "stpn_jax/same.py": long,
        "configs/same.py": "x = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    structure.main([f"--root={tmp_path}"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["stpn_jax", "68", "1", "4", "3.5", "3"] in rows
    assert ["all", "69", "1", "5", "1", "4"] in rows
    assert ["stpn_jax", "3", "5", "33.33%"] in rows
    assert ["studies", "0", "0", "0.00%"] in rows
    assert ["stpn_jax/same.py:1", "has", "61", "lines"] in rows
    assert rows[-1] == ["same:", "a/same.py,", "same.py"]


def test_what_the_trace_takes_for_images():
    stack = np.zeros((structure.BATCH, 3, 20, 8, 8), np.uint8)
    frame = np.zeros((*structure.RECORD, 3), np.uint8)
    jpeg = b"head \xff\xd8\xff\xe0 tail"
    for held in (stack, frame, jpeg, np.frombuffer(jpeg, np.uint8)):
        assert structure.image([None, {"a": (held,)}]) is not None
    logits = np.zeros((structure.BATCH, structure.CLASSES))
    kernel = np.zeros((3, 3, 20, 16))
    for other in (logits, logits[None], kernel, stack[:, 0, 0, 0, 0], b"RIFF", "x", 3):
        assert structure.image([other]) is None


def test_the_trace_follows_images_and_not_what_is_only_planned(tmp_path):
    code = "def f(x):\n    return 1\n"
    (tmp_path / "a.py").write_text(code)
    functions = {}
    exec(compile(code, str(tmp_path / "a.py"), "exec"), functions)
    watch = structure.Watch(tmp_path, tmp_path / "end")
    shape = (structure.BATCH, 8, 8)
    with watch:
        jax.eval_shape(functions["f"], jax.ShapeDtypeStruct(shape, "uint8"))
        assert not watch.touched
        functions["f"](np.zeros(shape, np.uint8))
    assert watch.touched == {"a.py": "f: uint8[13, 8, 8]"}
