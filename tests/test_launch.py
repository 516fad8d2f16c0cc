"""The launchers: sound shell, and dry runs that print what they would do."""

import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "launch").glob("*.s*"))


def dry(script, *arguments, **environment):
    done = subprocess.run(
        ["bash", f"launch/{script}", "--dry_run", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_is_sound(script):
    subprocess.run(["bash", "-n", script], check=True)
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", "-x", script], cwd=ROOT, check=True)


def test_the_page_names_every_launcher():
    page = (ROOT / "docs" / "distributed.md").read_text()
    for script in SCRIPTS:
        assert script.name in page or script.name == "common.sh"


@pytest.mark.parametrize("own", ["", "glibc.malloc.check=0"])
def test_memory_comes_in_large_pages_unless_said_otherwise(own, tmp_path):
    """With a stand-in for Python that installs nothing."""
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    printed = subprocess.run(
        ["bash", "-c", "source launch/common.sh && set_up && env"],
        cwd=ROOT,
        env=os.environ | {"VENV": str(tmp_path), "GLIBC_TUNABLES": own},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()
    assert f"GLIBC_TUNABLES={own or 'glibc.malloc.hugetlb=1'}" in printed


@pytest.mark.parametrize("arguments", [["-h"], ["--seed", "3", "--help"]])
def test_the_demo_says_how_it_is_used(arguments):
    done = subprocess.run(
        ["bash", ROOT / "launch" / "demo.sh", *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr
    assert "bash launch/demo.sh [--seed N] [--workdir DIR]" in done.stdout
    assert "set -" not in done.stdout


@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if path.name not in ("common.sh", "test.sh")]
)
def test_help_installs_nothing(script, tmp_path):
    done = subprocess.run(
        ["bash", script, "--help"],
        env=os.environ | {"VENV": str(tmp_path / "venv")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"launch/{script.name} " in done.stdout and not done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("script", "given", "expected"),
    [
        ("prepare.sh", ["--size=8x8"], "python -m stpn_jax.prepare --size=8x8"),
        ("train_local.sh", ["--config=c"], "python -m stpn_jax.main --config=c"),
        ("table.sh", ["6", "--config=c"], "python -m studies table6 --config=c"),
        ("gpu_report.sh", ["--small"], "python -m benchmarks.gpu_report --small"),
        ("table.sh", ["extra", "--config=c"], "python -m studies extra"),
        ("demo.sh", ["--seed=3"], "stpn_jax.synthetic runs/demo-seed3/videos.part"),
        ("study.sh", ["--quick"], "python -m studies made --data=runs/study-quick"),
        ("study.sh", ["--quick"], "env XLA_FLAGS=\\ --xla_backend"),
    ],
)
def test_a_dry_run_prints_commands_and_installs_nothing(
    script, given, expected, tmp_path
):
    status, out, err = dry(script, *given, VENV=str(tmp_path / "venv"))
    assert status == 0 and expected in out and not err
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("table", ["9", "table8", ""])
def test_a_table_that_is_none_names_those_that_are(table):
    status, _, err = dry("table.sh", table)
    assert status == 2
    assert err == f"error: expected a table, 2 to 7 or extra, found '{table}'\n"


@pytest.mark.parametrize("given", [[], ["--config.seed=3"]])
def test_a_table_without_a_config_is_rejected(given):
    status, _, err = dry("table.sh", "6", *given)
    assert (status, err) == (2, "error: --config=FILE is needed\n")


@pytest.mark.parametrize("given", [["--workdir="], ["--workdir", ""], ["--seed"]])
def test_the_demo_rejects_an_empty_value(given):
    status, out, err = dry("demo.sh", *given)
    assert (status, out) == (2, "") and err.endswith(" needs a value\n")


def test_local_processes():
    status, out, _ = dry("train_multihost.sh", "3", "--config=configs/demo.py")
    assert status == 0
    lines = sorted(shlex.split(line) for line in out.splitlines())
    assert [line[0] for line in lines] == ["[0]", "[1]", "[2]"]
    for index, line in enumerate(lines):
        assert line[1:5] == ["python", "-u", "-m", "stpn_jax.main"]
        assert line[5] == "--config=configs/demo.py"
        assert line[7:] == ["--num_processes=3", f"--process_id={index}"]
    assert len({line[6] for line in lines}) == 1
    status, _, err = dry("train_multihost.sh", "--config=configs/demo.py")
    assert (status, "number of processes" in err) == (2, True)


def test_a_signal_reaches_local_processes(tmp_path):
    """With a stand-in for Python that saves on SIGTERM and ends with 143."""
    fake = tmp_path / "bin" / "python"
    fake.parent.mkdir()
    fake.write_text(
        "#!/usr/bin/env bash\n"
        'case "$1 ${2:-}" in -c*|"-m pip") exit 0;; esac\n'
        "trap 'echo \"saved ${@: -1}\"; exit 143' TERM\n"
        "echo ready\nwhile :; do sleep 0.1; done\n"
    )
    fake.chmod(0o755)
    environment = tmp_path / "venv"
    (environment / "bin").mkdir(parents=True)
    shutil.copy(fake, environment / "bin" / "python")
    process = subprocess.Popen(
        ["bash", "launch/train_multihost.sh", "2", "--config=c.py"],
        cwd=ROOT,
        env=os.environ | {"VENV": str(environment)},
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(2):
        while "ready" not in process.stdout.readline():
            assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert sorted(line for line in out.splitlines() if "saved" in line) == [
        "[0] saved --process_id=0",
        "[1] saved --process_id=1",
    ]


def test_slurm():
    status, out, _ = dry("slurm.sbatch", "--config=configs/ucf101.py", "--workdir=a b")
    assert status == 0
    command = shlex.split(out)
    assert command[0] == "srun"
    assert command[-2:] == ["--config=configs/ucf101.py", "--workdir=a b"]
    text = (ROOT / "launch" / "slurm.sbatch").read_text()
    options = [line[8:].split("=") for line in text.splitlines() if "#SBATCH" in line]
    given = {name: value for name, *rest in options for value in (rest or [""])}
    assert given["--ntasks-per-node"] == given["--gpus-per-node"]
    assert given["--signal"].startswith("TERM@")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ["create", "pod", "us-central1-a", "v5litepod-16"],
            "tpu-vm create pod --zone=us-central1-a --accelerator-type=v5litepod-16",
        ),
        (["install", "pod", "z"], "stpn_jax.tar.gz pod: --zone=z --worker=all"),
        (
            ["data", "pod", "z", "gs://b/ucf101"],
            r"cp\ -r\ gs://b/ucf101\ stpn_jax/data/",
        ),
        (["tail", "pod", "z"], "ssh pod --zone=z --worker=0"),
        (["delete", "pod", "z"], "tpu-vm delete pod --zone=z"),
    ],
)
def test_tpu_pod(command, expected):
    status, out, _ = dry("tpu_pod.sh", *command)
    assert status == 0
    assert expected in out


@pytest.mark.parametrize(
    ("kind", "topology", "runtime"),
    [
        ("v5litepod-16", "v5e:4x4", "v2-alpha-tpuv5-lite"),
        ("v6e-8", "v6e:2x4", "v2-alpha-tpuv6e"),
        ("v4-128", "v4:4x4x4", "tpu-ubuntu2204-base"),
    ],
)
def test_a_tpu_pod_is_checked_before_it_is_created(kind, topology, runtime):
    flags = ["--config=configs/ucf101.py", "--stages=pyramid"]
    status, out, _ = dry("tpu_pod.sh", "check", "pod", "z", kind, *flags)
    assert status == 0
    mode = ["--mode=compile", f"--topology={topology}"]
    assert shlex.split(out) == ["python", "-m", "stpn_jax.main", *mode, *flags]
    status, _, err = dry("tpu_pod.sh", "check", "pod", "z", "v9-3", *flags)
    assert status == 2 and "v9-3: no topology is known" in err
    _, out, err = dry("tpu_pod.sh", "create", "pod", "z", kind)
    assert f"check pod z {kind}" in err
    assert f"--version={runtime}" in out
    status, _, err = dry("tpu_pod.sh", "create", "pod", "z", "v9-3")
    assert status == 2 and "v9-3: no runtime is known" in err
    _, out, _ = dry("tpu_pod.sh", "create", "pod", "z", "v9-3", "own")
    assert "--version=own" in out


def test_a_tpu_pod_runs_what_is_given():
    given = ["--config=configs/ucf101.py", "--workdir=gs://b/my run"]
    _, out, _ = dry("tpu_pod.sh", "run", "pod", "z", *given)
    remote = shlex.split(out)[-1].removeprefix("--command=")
    words = shlex.split(remote, comments=False)
    start = [
        "cd",
        "stpn_jax;",
        "EPATH_USE_TF=0",
        "nohup",
        "bash",
        "launch/train_local.sh",
    ]
    assert words[: len(start)] == start
    assert words[len(start) :][:2] == given
    status, _, err = dry("tpu_pod.sh", "start", "pod", "z")
    assert (status, "unknown command 'start'" in err) == (2, True)


@pytest.mark.parametrize("device", ["gpu", "tpu"])
def test_kubernetes(device):
    yaml = pytest.importorskip("yaml")
    validate = pytest.importorskip("kubernetes_validate")
    flags = ["--config=configs/ucf101.py", '--workdir=gs://b/"x": y']
    status, out, _ = dry("kubernetes.sh", device, "registry/stpn:1", "4", *flags)
    assert status == 0
    job_set = yaml.safe_load(out)
    assert job_set["kind"] == "JobSet"
    (job,) = job_set["spec"]["replicatedJobs"]
    # The definition of a JobSet is an add-on's; what it repeats is a Job.
    whole = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
    validate.validate(whole | job["template"], "1.30", strict=True)
    spec = job["template"]["spec"]
    assert spec["completions"] == spec["parallelism"] == 4
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"][-2:] == flags
    names = {one["name"]: one["value"] for one in container.get("env", ())}
    assert (names.get("JAX_NUM_PROCESSES") == "4") == (device == "gpu")


def test_kubernetes_rejects_nonsense():
    assert dry("kubernetes.sh", "gpu", "image")[0] == 2
    assert "unknown device 'cpu'" in dry("kubernetes.sh", "cpu", "i", "2", "--x")[2]
    assert "number of hosts" in dry("kubernetes.sh", "gpu", "i", "two", "--x")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nonsense"], "--nonsense: unknown argument; usage:"),
        (["--clips"], "--clips needs a value"),
        (["--clips=", "--quick"], "--clips needs a value"),
        (["--clips=nowhere", "--splits=launch"], "nowhere/hmdb51: no such folder"),
        (["--clips=launch"], "launch/hmdb51: no such folder"),
        (["--splits=launch"], "--splits without --clips"),
        (["--workdir", "--quick"], "--workdir=--quick: expected a folder"),
    ],
)
def test_the_study_says_what_it_cannot_use(arguments, message):
    command = ["bash", "launch/study.sh", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and message in done.stderr
