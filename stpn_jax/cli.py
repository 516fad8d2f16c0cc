"""The command `stpn`: it loads the module of the chosen command alone."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError


class Command(NamedTuple):
    """A module with main(arguments, prog), and the arguments that come first."""

    module: str
    arguments: tuple[str, ...]
    text: str


_MAIN = "stpn_jax.main"
COMMANDS = {
    "prepare": Command(
        "stpn_jax.prepare.command", (), "videos to frames and optical flow, as records"
    ),
    "train": Command(_MAIN, ("--mode=train",), "train a network, test it, report"),
    "evaluate": Command(_MAIN, ("--mode=evaluate",), "test a trained network again"),
    "export": Command(_MAIN, ("--mode=export",), "a trained network as an artifact"),
    "report": Command(_MAIN, ("--mode=report",), "what a network learned, as a page"),
    "compare": Command(_MAIN, ("--mode=compare",), "test scores of several runs"),
    "compile": Command(
        _MAIN, ("--mode=compile",), "what training needs of a TPU that is not there"
    ),
    "predict": Command("stpn_jax.predict", (), "classes and attention of videos"),
    "app": Command("stpn_jax.app", (), "predictions on a page in the browser"),
    "weights": Command(
        "stpn_jax.weights.__main__", (), "inspect or convert a weight file"
    ),
}


def main() -> NoReturn:
    """Runs `stpn`; the current folder is importable, as with `python -m`."""
    sys.path.append("")  # Last: no file there hides a library.
    errors.run(lambda: run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs the command that the first argument names; returns the exit status."""
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name not in COMMANDS:
        (nearest,) = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.0)
        raise UsageError(
            f"{name}: no such command; did you mean {nearest}? stpn --help lists them"
        )
    module, first, _ = COMMANDS[name]
    if first and any(one.partition("=")[0] == "--mode" for one in rest):
        raise UsageError(f"--mode: stpn {name} is a mode; choose another command")
    return _load(module).main([*first, *rest], f"stpn {name}")


def run_module(module: str) -> NoReturn:
    """Runs the module's main() for `python -m`, its imports included."""
    errors.run(lambda: _load(module).main())


_load = importlib.import_module


def _usage() -> str:
    lines = [f"  {name:10}{command.text}" for name, command in COMMANDS.items()]
    head = "usage: stpn COMMAND [ARGUMENT...]; stpn COMMAND --help lists its arguments"
    return "\n".join([head, "", *lines])
