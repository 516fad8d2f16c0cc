"""Two processes on this machine as two hosts: one result, one end, no waiting for ever.

Batch statistics are shared, so that two hosts compute what one does.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest
from test_end_to_end import OPTIMISED, ROOT, SHORT, run, start

from stpn_jax.experiment import report_attempt
from stpn_jax.train import checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly_compiled")]

SECONDS = 300


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("hosts")
    made, records = folder / "videos", folder / "data"
    run("synthetic", made, "--seed=3", "--train=2", "--test=1", "--frames=24")
    start(
        "prepare", "--dataset=folder", f"--videos={made}", f"--data_dir={records}",
        "--size=40x40", "--workers=1", env=OPTIMISED,
    )  # fmt: skip
    return records


def arguments(data, workdir, *more):
    return (
        "--config=configs/demo.py:table5_average",
        f"--config.data.data_dir={data}",
        f"--workdir={workdir}",
        "--config.model.sync_batch_norm=True",
        *(one for one in SHORT if "temporal" not in one and "pyramid" not in one),
        *more,
    )


def two(*given):
    """Starts both; the first one's output can be read."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "stpn_jax.main", *given]
    command += [f"--coordinator={address}", "--num_processes=2"]
    return [
        subprocess.Popen(
            [*command, f"--process_id={index}"],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for index in range(2)
    ]


def end(processes):
    """The exit status of each and what each printed from now on."""
    printed = ["", ""]

    def read(index):
        printed[index] = processes[index].stdout.read()

    readers = [threading.Thread(target=read, args=(index,)) for index in range(2)]
    for reader in readers:
        reader.start()
    try:
        statuses = [process.wait(SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for reader in readers:
        reader.join()
    return statuses, printed


def wait_for(line, process):
    assert any(printed.startswith(line) for printed in process.stdout)


def variables(workdir):
    found = checkpoint.restore_variables(workdir / "spatial" / "checkpoints")
    return jax.tree.leaves(found)


def test_two_hosts_train_as_one(data, tmp_path, monkeypatch):
    monkeypatch.setattr(report_attempt, "attempt", lambda *_: None)
    run("main", *arguments(data, tmp_path / "one"))
    statuses, printed = end(two(*arguments(data, tmp_path / "two")))
    assert statuses == [0, 0]
    assert "[spatial] 6/6" in printed[0]
    assert "spatial" not in printed[1]
    leaves = zip(variables(tmp_path / "one"), variables(tmp_path / "two"), strict=True)
    for a, b in leaves:
        np.testing.assert_allclose(a, b, atol=1e-5 * max(np.abs(a).max(), 1e-3))
    features = tmp_path / "two" / "report" / "features.csv"
    assert len(features.read_text().splitlines()) == 14
    results = [tmp_path / name / "results.json" for name in ("one", "two")]
    assert json.loads(results[0].read_text()) == json.loads(results[1].read_text())


def test_one_that_is_signalled_ends_both_at_one_step(data, tmp_path):
    more = ["--config.stages.spatial.steps=100", "--config.run.validate_every=0"]
    given = arguments(data, tmp_path / "two", *more)
    processes = two(*given)
    wait_for("[spatial] 4/100", processes[0])
    processes[1].send_signal(signal.SIGTERM)
    statuses, _ = end(processes)
    assert statuses == [143, 143]
    step = checkpoint.newest_step(tmp_path / "two" / "spatial" / "checkpoints")
    assert 4 <= step < 100
    done = start("main", *given)  # One process resumes from what two have saved.
    assert f"[spatial] {step + 1}/100" in done.stdout


def test_one_that_is_killed_ends_the_other(data, tmp_path):
    more = ["--config.stages.spatial.steps=100000", "--config.run.validate_every=0"]
    processes = two(*arguments(data, tmp_path, *more))
    wait_for("[spatial] 4/100000", processes[0])
    started = time.monotonic()
    processes[1].kill()
    statuses, _ = end(processes)
    assert time.monotonic() - started < 60
    assert statuses[0] != 0
