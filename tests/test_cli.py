"""The command `stpn`, extras by use, and what is said where one is missing."""

import configparser
import importlib
import os
import pathlib
import subprocess
import sys

import pytest

from stpn_jax import cli
from stpn_jax.utils import errors

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def status(capsys):
    """Runs `stpn` with arguments: its status and what it prints."""

    def run(*arguments):
        return errors.guard(lambda: cli.run(arguments)), capsys.readouterr()

    return run


def test_every_command_is_listed_and_has_a_help_of_its_own(status, capsys):
    found, printed = status("--help")
    assert found == 0
    for name in cli.COMMANDS:
        assert f"\n  {name} " in printed.out
        try:
            assert cli.run([name, "--help"]) == 0
        except SystemExit as error:  # As argparse ends.
            assert error.code == 0
        found = capsys.readouterr().out
        assert found.startswith(f"usage: stpn {name} ")
        assert ("--runs" in found) == (name == "compare")
        assert ("--profile" in found) == (name == "train")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian", "--config=a"], "trian: no such command; did you mean train?"),
        (["train"], "--config=FILE is needed"),
        (["train", "stray"], "unrecognized arguments: stray"),
        (["train", "--process_id=x"], "argument --process_id: expected a whole number"),
        (["predict"], "the following arguments are required: --model, VIDEO"),
        (["weights", "inspect"], "the following arguments are required: FILE"),
        (["compare", "--runs", "a"], "--runs=a: expected two workdirs or more"),
        (["prepare"], "--data_dir is missing"),
        (["train", "--config=a", "--runs=b"], "--runs has no effect in mode train"),
        (["train", "--topology=v5e:2x4"], "--topology has no effect in mode train"),
        (["export", "--boxes=a"], "--boxes has no effect in mode export"),
        (["compare", "--config.seed=1"], "--config.seed=1 has no effect in mode"),
        (["predict", "--model=", "a"], "argument --model: expected a path, found"),
        (["predict", "--model=a", ""], "argument VIDEO: expected a path, found"),
        (["predict", "--model=~/no/a", "b"], os.path.expanduser("~/no/a: no")),
        (["predict", "--model=a", "b", "--window=1e999"], "argument --window: expect"),
        (["prepare", f"--seed={2**64}"], "argument --seed: expected a whole number"),
        (["app", "--model=a", f"--port={2**64}"], "argument --port: expected a whole"),
        (["train", f"--process_id={2**64}"], "argument --process_id: expected a whole"),
    ],
)
def test_wrong_arguments_are_one_line(status, arguments, line):
    found, printed = status(*arguments)
    assert found == 2 and not printed.out
    assert printed.err.startswith(f"error: {line}") and printed.err.count("\n") == 1


def test_help_with_a_config_lists_its_fields(status):
    _, printed = status(
        "train", "--help", "--config=configs/demo.py", "--config.seed", "3"
    )
    lines = printed.out.splitlines()
    assert "--config.seed=3" in lines
    at = lines.index("--config.data.tau='(10, 10)'")
    spacing = "smallest and largest spacing of the paths' centres, in frames."
    assert lines[at + 1] == f"    tuple[int, int]; {spacing}"
    assert "--config.stages.pyramid.steps" in printed.out


def test_it_is_installed_and_loads_the_chosen_command_alone():
    scripts = setup()["options.entry_points"]["console_scripts"]
    assert scripts.strip() == "stpn = stpn_jax.cli:main"
    program = "import sys; from stpn_jax import cli; cli.run([]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "stpn_jax.cli" in loaded and not loaded & {"jax", "numpy", "absl"}


@pytest.mark.parametrize("name", errors.EXTRAS)
def test_a_library_that_is_not_installed_names_its_extra(name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    assert errors.guard(lambda: importlib.import_module(name)) == 2
    extra = errors.EXTRAS[name]
    install = f"pip install -e '.[{extra}]'" if extra else "pip install -e ."
    expected = (
        f"error: {name} is not installed; in the repository's folder: {install}\n"
    )
    assert capsys.readouterr().err == expected
    assert not extra or extra in setup()["options.extras_require"]


def test_other_libraries_keep_their_traceback():
    with pytest.raises(ModuleNotFoundError):
        errors.guard(lambda: importlib.import_module("no_such_library"))


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def names(text):
    lines = map(str.strip, text.splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def test_the_extras_together_are_the_list_of_requirements():
    config = setup()
    extras = config["options.extras_require"]
    parts = [extras[name] for name in ("train", "prepare", "report")]
    together = names("\n".join([config["options"]["install_requires"], *parts]))
    wanted = names((ROOT / "requirements.txt").read_text())
    assert together == {line for line in wanted if not line.startswith("pytest")}
    assert names(extras["app"]) - {"gradio>=6.0,<7"} <= names(extras["report"])
