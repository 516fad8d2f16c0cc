"""The course on a GPU needs few libraries, and no part of it costs another."""

import collections
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks import gpu_report
from stpn_jax.utils import errors

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ["jax", "flax", "optax", "chex", "etils", "jaxtyping", "numpy", "torch"]
BENCHMARKS = "gpu_report, measure, train_step, stcb, tvl1, tvl1_tiles, from_frames"
BLOCK = """
import sys

BLOCKED, KNOWN = {blocked}, {known}


class Others:
    def __init__(self, finder):
        self._finder = finder

    def __getattr__(self, name):
        found = getattr(self._finder, name)
        if name != "find_distributions":
            return found
        normal = lambda one: one.metadata["Name"].lower().replace("_", "-")
        return lambda context: (x for x in found(context) if normal(x) in KNOWN)

    def find_spec(self, name, *given):
        blocked = name.partition(".")[0] in BLOCKED
        return None if blocked else self._finder.find_spec(name, *given)


sys.meta_path[:] = map(Others, sys.meta_path)
"""


def needed(names: list[str]) -> set[str]:
    """The distributions and all that they require."""
    found, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        one = waiting.pop()
        key = canonicalize_name(one.name), *sorted(one.extras)
        if key in found:
            continue
        found.add(key)
        try:
            texts = importlib.metadata.requires(one.name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        for more in map(Requirement, texts):
            asked = [{"extra": extra} for extra in ("", *one.extras)]
            if not more.marker or any(map(more.marker.evaluate, asked)):
                waiting.append(more)
    return {name for name, *_ in found}


@pytest.fixture
def blocked(tmp_path) -> dict[str, str]:
    """The environment of a Python that finds these packages and ours alone."""
    known = needed([*PACKAGES, "packaging"]) | {"stpn-jax"}
    blocked = {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not known & set(map(canonicalize_name, owners))
    }
    assert blocked > {"av", "cv2", "grain", "ml_collections", "tensorflow", "tqdm"}
    folder = tmp_path / "block"
    folder.mkdir()
    text = BLOCK.replace("{blocked}", repr(blocked)).replace("{known}", repr(known))
    (folder / "sitecustomize.py").write_text(text)
    return os.environ | {"PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"}


def test_every_part_imports_what_is_allowed(blocked):
    program = f"from benchmarks import {BENCHMARKS}; print(tvl1.cv2)"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, cwd=ROOT, env=blocked, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "None\n"), ended.stderr


PROGRAMS = {
    "works": "print('10.000 clips/s'); print('5 kernels take 3.00 ms on the device')",
    "hangs": "import subprocess, time\nprint('1.5 GB/s', flush=True)\n"
    "subprocess.Popen(['sleep', '60'])\ntime.sleep(60)",
    "crashes": "import os; print('started', flush=True); os.abort()",
    "raises": "raise ValueError('first line\\nsecond line')",
    "lacks": "import no_such_library",
    "late": "",
}


def test_a_part_that_fails_costs_no_other(tmp_path, monkeypatch, capsys):
    for name, text in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(text)
    parts = [
        gpu_report.Part(name, [name], 0, 30, batch=2, root=tmp_path)
        for name in ("hangs", "crashes", "raises", "lacks", "works", "late")
    ]
    parts[0], parts[-1] = parts[0]._replace(limit=2), parts[-1]._replace(least=100)
    monkeypatch.setattr(gpu_report, "course", lambda options: parts)
    monkeypatch.setattr(gpu_report, "card", lambda: "a card")
    started = time.monotonic()
    out = tmp_path / "out"
    assert gpu_report.main([f"--out={out}", "--seconds=60"]) == 1
    assert time.monotonic() - started < 30
    found = collections.defaultdict(list)
    for line in (out / gpu_report.RESULTS).read_text().splitlines():
        record = json.loads(line)
        found[record["part"]].append(record)
    printed = capsys.readouterr().out
    last = {part: records[-1]["line"] for part, records in found.items()}
    assert found["hangs"][1]["values"] == [[1.5, "GB/s"]]
    assert last["hangs"] == "stopped after 2 s"
    assert found["crashes"][1]["line"] == "started"
    assert last["crashes"].startswith("failed with SIGABRT")
    assert last["raises"] == "failed with status 1: ValueError: first line"
    assert last["lacks"] == "skipped: no_such_library is not installed"
    step, kernels = found["works"][1:]
    assert step["line"] == "10.000 clips/s, 200.00 ms per step"
    assert step["values"] == [[10.0, "clips/s"], [200.0, "ms"]]
    assert kernels["values"] == [[3.0, "ms"]]
    assert re.fullmatch(r"skipped: \d\d s are left, it takes 100", last["late"])
    assert last["end"].startswith("3 parts failed")
    assert all(f"{part}: {line}\n" in printed for part, line in last.items())
    assert "second line" in (out / gpu_report.LOG).read_text()


def test_without_a_gpu_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_report, "card", lambda: "")
    out = tmp_path / "out"
    with pytest.raises(errors.UsageError, match="nvidia-smi finds no GPU; --small"):
        gpu_report.main([f"--out={out}"])
    assert not out.exists()


def names(*arguments: str) -> list[str]:
    return [part.name for part in gpu_report.course(gpu_report._parse(arguments))]


def test_the_course_begins_with_the_training_step():
    first = "bn_inception bfloat16 batch 32"
    found = names()
    assert found[:2] == ["device", f"{first} ours"]
    assert found[2] == f"{first} torch"
    order = ["stcb", "tvl1", "frames", "torch.compile", "resnet50", "vgg16", "float32"]
    order.append("deterministic")
    places = [min(i for i, x in enumerate(found) if word in x) for word in order]
    assert places == sorted(places)
    assert names("--parts", "stcb", "tiles") == ["stcb", "tvl1 plain and tiles"]


def test_a_baseline_is_measured_beside_ours_with_what_it_knows(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    script = tmp_path / "benchmarks" / "train_step.py"
    script.write_text("--only")
    options = gpu_report._parse([f"--baseline={tmp_path}"])
    _, ours, baseline, *_ = gpu_report.course(options)
    assert baseline.name == "bn_inception bfloat16 batch 32 baseline"
    assert baseline.root == tmp_path
    assert [*baseline.module, gpu_report.KERNELS] == ours.module
    script.write_text("--only --kernels")
    assert gpu_report.course(options)[2].module == ours.module


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--baseline=configs", "no benchmarks/train_step.py in it; name the checkout"),
        ("--parts=nonsense", "no part is called so; there are device, bn_inception"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(argument, message):
    with pytest.raises(errors.UsageError, match=message):
        names(argument)


@pytest.mark.exhaustive
def test_the_whole_course_in_small(blocked, tmp_path):
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "benchmarks.gpu_report", "--small"]
    command += [f"--out={tmp_path}", "--seconds=3000"]
    ended = subprocess.run(
        command, cwd=ROOT, env=blocked, capture_output=True, text=True, check=False
    )
    log = (tmp_path / gpu_report.LOG).read_text()
    assert ended.returncode == 0, ended.stdout + log[-5000:]
    assert "skipped" not in ended.stdout.replace("OpenCV skipped", "")
    found = collections.defaultdict(list)
    for line in (tmp_path / gpu_report.RESULTS).read_text().splitlines():
        record = json.loads(line)
        found[record["part"]] += record["values"]
    del found["about"], found["end"]
    silent = [part for part, values in found.items() if not values]
    assert silent == ["tvl1 plain and tiles"]  # Interpreted: there is no time to give.
