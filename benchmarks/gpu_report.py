"""A fixed course of measurements of a GPU in eight minutes, the most valuable first.

    python -m benchmarks.gpu_report --out=DIR [--baseline=CHECKOUT] [--parts ours stcb]

Each part is a process of its own with a time limit: one that hangs, crashes or lacks a
library costs no other. Every line that it prints goes at once to gpu_report.jsonl and
to the screen, its standard error to gpu_report.log. Parts that no longer fit into
--seconds are left out. With --baseline the training steps of another checkout stand
beside ours. A part whose name contains one of --parts is chosen. --small tries each
kind of part once on a CPU at a tiny size.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from typing import IO, Any, NamedTuple

from stpn_jax.utils import command_line, errors

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS, LOG = "gpu_report.jsonl", "gpu_report.log"
CASES = (
    ("bn_inception", "bfloat16"),
    ("resnet50", "bfloat16"),
    ("vgg16", "bfloat16"),
    ("bn_inception", "float32"),
)
LARGER = 64, 128  # batches
LIMITS = {"ours": 240, "baseline": 240, "torch": 90, "torch.compile": 240}
"""Who takes a training step, and in how many seconds: most of them compile.

XLA tries kernels for 90 to 130 seconds. One is not started in less than half of it.
"""

KERNELS = "--kernels"
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
_ON_GPU = {"JAX_PLATFORMS": "cuda,cpu"}
_IN_SMALL = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "True"}  # Compiled quickly.
_OPTIMISED = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "False"}
_VALUE = re.compile(r"([\d.]+) ((?:clip|pair)s/s|[GT](?:B|FLOP)/s|ms|us|s)\b")
_ERROR = re.compile(r"[\w.]*(?:Error|Exception|Exit|Interrupt)\b")
_ABSENT = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


class Part(NamedTuple):
    """One process of the course.

    Attributes:
        name: in the results.
        module: and its arguments.
        least: seconds without which it is not worth a start.
        limit: seconds after which it is stopped.
        batch: clips of a training step.
        root: the checkout that it runs in.
        environment: variables of its own.
    """

    name: str
    module: Sequence[str]
    least: float
    limit: float
    batch: int = 0
    root: pathlib.Path = ROOT
    environment: dict[str, str] = {}  # noqa: RUF012


class Report:
    """Results, each written at once."""

    def __init__(self, path: pathlib.Path):
        self._file, self._started = path.open("a"), time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def add(self, part: str, line: str, batch: int = 0) -> None:
        """A line of a part, with the values in it."""
        values = [(float(value), unit) for value, unit in _VALUE.findall(line)]
        if batch and values and values[0][1] == "clips/s":
            values.append((1e3 * batch / values[0][0], "ms"))
            line += f", {values[-1][0]:.2f} ms per step"
        record = {"at": round(self.seconds, 1), "part": part, "line": line}
        self._file.write(json.dumps(record | {"values": values}) + "\n")
        self._file.flush()
        print(f"{self.seconds:6.1f} s  {part}: {line}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    parts = course(options)
    if not (options.small or card()):
        raise errors.UsageError(
            "nvidia-smi finds no GPU; --small tries the course on a CPU"
        )
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        # Ends the process that measures, as SIGTERM does.
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(128 + signal.SIGHUP))
    options.out.mkdir(parents=True, exist_ok=True)
    report, failed = Report(options.out / RESULTS), 0
    report.add("about", about(options.baseline))
    with (options.out / LOG).open("a+b") as log, tempfile.TemporaryDirectory() as cache:
        for part in parts:
            left = max(0, options.seconds - report.seconds)
            if left < part.least:
                reason = f"skipped: {left:.0f} s are left, it takes {part.least:.0f}"
            else:
                report.add(part.name, "starts")
                reason = run(part, report, log, min(left, part.limit), cache)
                failed += bool(reason) and not reason.startswith("skipped")
            if reason:
                report.add(part.name, reason)
    report.add("end", f"{failed} parts failed; results in {options.out / RESULTS}")
    return int(failed > 0)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = command_line.Parser(description=__doc__, formatter_class=form)
    add = parser.add_argument
    add("--out", type=pathlib.Path, default=pathlib.Path("runs/gpu_report"))
    add(
        "--seconds", type=command_line.whole(1), default=480, help="of the whole course"
    )
    add("--baseline", type=pathlib.Path, help="a checkout of another commit")
    add("--parts", nargs="+", default=[""], help="words in the names of the parts")
    add("--small", action="store_true", help="each kind once, tiny, also on a CPU")
    options = parser.parse_args(arguments)
    if options.baseline:
        options.baseline = options.baseline.resolve()
        if not (options.baseline / "benchmarks" / "train_step.py").exists():
            raise errors.UsageError(
                f"--baseline={options.baseline}: no benchmarks/train_step.py in it; "
                "name the checkout of another commit"
            )
    return options


def course(options: argparse.Namespace) -> list[Part]:
    """The parts in their order."""
    measured = ["benchmarks.measure"] + ["--side=256"] * options.small
    parts = [Part("device", measured, 5, 60), *_training(options, *CASES[0])]
    compiled = parts.pop()  # By torch, which takes half of the whole time.
    parts += [*_operators(options.small), compiled]
    for case in CASES[1:] if not options.small else ():
        parts += _training(options, *case)
    flags = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}".strip()
    ours = _step(options, "ours", *CASES[0])
    ours = ours._replace(name=f"{ours.name}, deterministic")
    if not options.small:  # The flag is a GPU's.
        parts.append(ours._replace(environment={"XLA_FLAGS": flags}))
    for batch in LARGER if not options.small else ():
        parts += _training(options, *CASES[0], batch)
    chosen = [one for one in parts if any(word in one.name for word in options.parts)]
    if not chosen:
        names = ", ".join(one.name for one in parts)
        raise errors.UsageError(f"--parts: no part is called so; there are {names}")
    if options.small:
        chosen = [one._replace(least=1, limit=600) for one in chosen]
    own = _IN_SMALL if options.small else _ON_GPU
    return [one._replace(environment=own | one.environment) for one in chosen]


def _training(options: argparse.Namespace, *case: Any) -> list[Part]:
    """A step of ours, the baseline's, torch's, and torch's compiled."""
    who = [name for name in LIMITS if name != "baseline" or options.baseline]
    return [_step(options, name, *case) for name in who]


def _step(
    options: argparse.Namespace, who: str, backbone: str, dtype: str, batch: int = 32
) -> Part:
    """A training step of the whole pyramid."""
    name = f"{backbone} {dtype} batch {batch} {who}"
    size = [f"--batch={batch}", "--repeats=20"]
    is_torch, network = who.startswith("torch"), "pyramid"
    if options.small:
        backbone, batch = "tiny", 2
        size = ["--batch=2", "--side=32", "--repeats=1"]
    if options.small and is_torch:  # It has no tiny network, and no fast bfloat16.
        backbone, dtype, network = "vgg16", "float32", "spatial"
    root = options.baseline if who == "baseline" else ROOT
    module = ["benchmarks.train_step", f"--only={who if is_torch else 'ours'}"]
    module += [f"--network={network}", f"--backbones={backbone}", f"--dtypes={dtype}"]
    module += size
    if KERNELS in (root / "benchmarks" / "train_step.py").read_text():
        module.append(KERNELS)
    # JAX only makes torch's sketches, and would take its memory.
    own = {"JAX_PLATFORMS": "cpu"} if is_torch else {}
    limit = LIMITS[who]
    return Part(name, module, limit / 2, limit, batch, root, own)


def _operators(small: bool) -> list[Part]:
    """STCB, TV-L1, and a network from frames to its prediction."""
    stcb = ["benchmarks.stcb", "--forms", "--no_compile"]
    tiles = ["benchmarks.tvl1_tiles", "--tilings=4"]
    tvl1 = ["benchmarks.tvl1", "--count=1"]
    network = ["benchmarks.from_frames"]
    if small:
        stcb += ["--locations=6", "--channels=8", "--width=16", "--repeats=1"]
        stcb += ["--peak=1", "--bandwidth=1"]
        tvl1 += ["--sizes=32x24", "--pairs=2", "--repeats=1"]
        network += ["--backbone=tiny", "--size=48x40", "--input_size=32", "--frames=40"]
        network += ["--clips=2", "--repeats=1"]
    else:
        tvl1 += ["--sizes=340x256", "--pairs=64"]
    return [
        Part("stcb", stcb, 30, 90),
        Part("tvl1 plain and tiles", tiles, 30, 120),
        Part("tvl1 plain and OpenCV", tvl1, 30, 90),
        # Optical flow computes for longer than it compiles, also in small.
        Part("from frames to predictions", network, 40, 120, environment=_OPTIMISED),
    ]


def about(baseline: pathlib.Path | None) -> str:
    """Date, commits, the card with its driver; what is not known is said."""
    known = {"commit": _commit(ROOT), "card": card()}
    if baseline:
        known["baseline"] = _commit(baseline)
    facts = [f"{name} {value or 'unknown'}" for name, value in known.items()]
    return ", ".join([str(datetime.date.today()), *facts])


def card() -> str:
    """Name, memory and driver of the GPU; empty without one."""
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return _output(["nvidia-smi", *query])


def _commit(root: pathlib.Path) -> str:
    return _output(["git", "-C", str(root), "describe", "--always", "--dirty"])


def _output(command: Sequence[str]) -> str:
    """What a program prints; empty where it is absent, fails or hangs."""
    try:
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 10}
        return subprocess.run(command, check=True, **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def run(part: Part, report: Report, log: IO[bytes], seconds: float, cache: str) -> str:
    """Puts a part's lines into the report; returns why it was not whole, or nothing."""
    start = log.seek(0, os.SEEK_END)
    process = subprocess.Popen(
        [sys.executable, "-m", *part.module],
        cwd=part.root,
        env=_environment(part, cache),
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout
    lines = (part, process.stdout, report)
    reader = threading.Thread(target=_read, args=lines, daemon=True)
    reader.start()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s"
    finally:
        _kill(process)
        reader.join(2)
    log.seek(start)
    return _reason(process.returncode, log.read().decode(errors="replace"))


def _environment(part: Part, cache: str) -> dict[str, str]:
    path = filter(None, [str(part.root), os.environ.get("PYTHONPATH")])
    own = {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
    # The baseline takes what was found to be fastest for kernels that both have.
    usual = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_TRACEBACK_FILTERING": "off"}
    return usual | os.environ | own | part.environment


def _read(part: Part, lines: Iterable[str], report: Report) -> None:
    for line in filter(str.strip, lines):
        with contextlib.suppress(BrokenPipeError):  # The main thread meets it as well.
            report.add(part.name, line.strip(), part.batch)


def _kill(process: subprocess.Popen) -> None:
    """Ends a process and those that it started; one that cannot end is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _reason(status: int, printed: str) -> str:
    """Why a process has failed, from its standard error."""
    if status == 0:
        return ""
    lines = [line for line in printed.splitlines() if line.strip()]
    last = next(filter(_ERROR.match, reversed(lines)), "".join(lines[-1:]))
    if absent := _ABSENT.match(last):
        return f"skipped: {absent[1]} is not installed"
    ended = f"status {status}" if status > 0 else signal.Signals(-status).name
    return f"failed with {ended}: {last[:300]}"


if __name__ == "__main__":
    errors.run(main)
