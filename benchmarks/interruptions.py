"""Runs that are killed at random times and resumed, against one that is not.

    python -m benchmarks.interruptions --kills=20

A short three-stage run on synthetic videos is first left alone. Then it is started anew
for each kill: it gets SIGKILL, and as often SIGTERM, after a random share of the time
of the undisturbed run, and is started again until it is done. The variables of all
stages and the scores of all test videos are compared bit for bit. Runs on a CPU.
"""

import argparse
import dataclasses
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import jax
import numpy as np

from stpn_jax.train import checkpoint

STAGES = ("spatial", "temporal", "pyramid")
STEPS = 30
FIELDS = {
    "data.size": (40, 40),
    "data.crop_size": 32,
    "data.input_size": 32,
    "data.tau": (2, 4),
    "model.temporal.width": 32,
    "model.attention.width": 32,
    "model.pyramid.width": 64,
    "evaluation.batch": 4,
    "run.log_every": 5,
    "run.validate_every": 10,
    "run.checkpoint_every": 3,
    **{f"stages.{stage}.steps": STEPS for stage in STAGES},
    **{f"stages.{stage}.batch": 4 for stage in STAGES},
    **{f"stages.{stage}.lr_milestones": (STEPS // 2,) for stage in STAGES},
    **{f"stages.{stage}.select": "best" for stage in STAGES},
}
ENDS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143}
"""Signal -> exit status of a run that it ends."""


@dataclasses.dataclass(frozen=True)
class Command:
    """The run, in a workdir of its own or another's."""

    data: pathlib.Path

    def start(self, workdir: pathlib.Path) -> subprocess.Popen:
        """Starts or resumes it, with its output in a file beside the workdir."""
        fields = [f"--config.{name}={value}" for name, value in FIELDS.items()]
        command = [
            sys.executable, "-m", "stpn_jax.main", "--config=configs/demo.py",
            f"--workdir={workdir}", f"--config.data.data_dir={self.data}", *fields,
        ]  # fmt: skip
        with open(f"{workdir}.log", "a") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True
            )

    def finish(self, workdir: pathlib.Path) -> None:
        """Runs it to the end."""
        if status := self.start(workdir).wait():
            raise SystemExit(f"exit status {status}: {workdir}.log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each signal")
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    options = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory() as folder:
        compare(pathlib.Path(folder), options.kills, random.Random(options.seed))


def compare(folder: pathlib.Path, kills: int, rng: random.Random) -> None:
    command = Command(make_data(folder))
    command.finish(folder / "warm")  # Compiled programs are kept from here on.
    started = time.monotonic()
    command.finish(folder / "undisturbed")
    seconds = time.monotonic() - started
    print(f"undisturbed: {seconds:.1f} s, 3 stages of {STEPS} updates", flush=True)
    wanted = outcome(folder / "undisturbed")
    different = 0
    for number, index in itertools.product(ENDS, range(kills)):
        workdir = folder / "disturbed"
        place = None
        while not place:
            shutil.rmtree(workdir, ignore_errors=True)
            delay = rng.uniform(0, seconds)
            place = disturb(command, workdir, number, delay)
        command.finish(workdir)
        same = all(map(np.array_equal, wanted, outcome(workdir)))
        different += not same
        print(
            f"{number.name} {index + 1}/{kills} after {delay:.1f} s, {place}: "
            f"{'bit-equal' if same else 'DIFFERENT'}",
            flush=True,
        )
        shutil.rmtree(workdir)
        pathlib.Path(f"{workdir}.log").unlink()
    print(f"{len(ENDS) * kills} resumed runs, {different} differ from the undisturbed")
    sys.exit(different > 0)


def make_data(folder: pathlib.Path) -> pathlib.Path:
    """Records of a few synthetic videos."""
    videos, data = folder / "videos", folder / "data"
    for command in (
        ["synthetic", videos, "--seed=3", "--train=3", "--test=1", "--frames=24"],
        ["prepare", "--dataset=folder", f"--videos={videos}", f"--data_dir={data}",
         "--size=40x40"],
    ):  # fmt: skip
        module, *arguments = map(str, command)
        subprocess.run(
            [sys.executable, "-m", f"stpn_jax.{module}", *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return data


def disturb(
    command: Command, workdir: pathlib.Path, number: signal.Signals, delay: float
) -> str | None:
    """Starts a run and ends it by a signal; where that was, None if nowhere."""
    process = command.start(workdir)
    try:
        process.wait(delay)
        return None  # It was done before.
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, number)
    status = process.wait()
    if status not in {ENDS[number], -number}:
        raise SystemExit(f"exit status {status} after {number.name}: {workdir}.log")
    lines = pathlib.Path(f"{workdir}.log").read_text().splitlines()
    shown = [line.split("  ")[0] for line in lines if line.startswith("[")]
    return f"after {shown[-1]!r} (status {status})" if shown else "in its first seconds"


def outcome(workdir: pathlib.Path) -> list[np.ndarray]:
    """Everything that a run is judged by, as arrays."""
    return list(_arrays(workdir))


def _arrays(workdir: pathlib.Path) -> Iterator[np.ndarray]:
    for stage in STAGES:
        variables = checkpoint.restore_variables(workdir / stage / "checkpoints")
        yield from jax.tree.leaves(variables)
    with np.load(workdir / "scores.npz") as scores:
        yield from (scores[name] for name in sorted(scores))
    for name in ("results.json", "tested.json"):
        yield np.array((workdir / name).read_text())


if __name__ == "__main__":
    main()
