"""The door: `python -m stpn_jax.main --config=configs/ucf101.py`."""

import contextlib
import difflib
import pathlib
import sys
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags

from stpn_jax import compilation_cache
from stpn_jax import config as configs
from stpn_jax.errors import UsageError
from stpn_jax.experiment import exporting, setup, testing, training, workdir

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file; variants as FILE:NAME.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run [default: runs/ and the config's name]."
)
_MODE = flags.DEFINE_enum(
    "mode", "train", ["train", "evaluate", "export"], "What to do with the run."
)
_INIT_FROM = flags.DEFINE_string(
    "init_from", "", "Checkpoint folder to start from in place of ImageNet weights."
)
_OUT = flags.DEFINE_string(
    "out", None, "Folder of the exported artifact [default: WORKDIR/artifact]."
)


def main(arguments: list[str]) -> None:
    """Parses the flags and calls the experiment."""
    if len(arguments) > 1:
        raise UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --")
    if _CONFIG.value is None:
        raise UsageError("--config=FILE is needed, for example configs/ucf101.py")
    config = configs.from_config_dict(_CONFIG.value)
    compilation_cache.enable()
    logging.set_verbosity(logging.WARNING)
    experiment = setup.open_experiment(
        config, _WORKDIR.value or _default_workdir(), _INIT_FROM.value
    )
    if _MODE.value == "train":
        training.train(experiment)
    elif _MODE.value == "evaluate":
        testing.evaluate(experiment)
        workdir.print_files(experiment.directory)
    else:
        out = _OUT.value or experiment.directory / "artifact"
        for path in exporting.export(experiment, out):
            print(f"written {path}")


def _default_workdir() -> str:
    path, _, variant = config_flags.get_config_filename(
        flags.FLAGS["config"]
    ).partition(":")
    name = pathlib.Path(path).stem
    return str(pathlib.Path("runs") / (f"{name}-{variant}" if variant else name))


def _parse_flags(arguments: list[str]) -> list[str]:
    """Parses flags and loads the config file; every failure is the user's to mend."""
    try:
        rest = flags.FLAGS(arguments)
        if _CONFIG.value is not None:
            _CONFIG.value.items()  # A file that failed to load fails on first use.
    except Exception as error:
        raise UsageError(_explain(error, arguments)) from error
    return list(rest)


def _explain(error: BaseException, arguments: list[str]) -> str:
    """One line: the argument at fault and the exception that others were wrapped in."""
    with contextlib.suppress(Exception):  # Of a file that cannot be loaded at all.
        if unknown := _unknown_field(arguments):
            return unknown
    culprit = _culprit(error, arguments)
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, OSError):
        return f"{culprit}there is no config file of that name that can be read"
    return culprit + " ".join(str(error).split())


def _unknown_field(arguments: list[str]) -> str:
    """What is wrong with a --config.A.B=VALUE that sets no field; empty if none is."""
    keys = [argument.partition("=")[0].split(".") for argument in arguments]
    for _, *names in (key for key in keys if key[0] == "--config"):
        node: Any = flags.FLAGS["config"].parser.parse(_file(arguments))
        path = "config"
        for name in names:
            path = f"{path}.{name}"
            if name.isidentifier() and name not in node:
                nearest = difflib.get_close_matches(name, node, n=1, cutoff=0.0)
                return f"{path}: no such field; did you mean {nearest[0]}?"
            node = node[name]
    return ""


def _culprit(error: BaseException, arguments: list[str]) -> str:
    """The argument that an error is about, for the head of its line."""
    if isinstance(error, flags.UnrecognizedFlagError):
        return ""  # It names the flag itself.
    named = (a for a in arguments if str(error).startswith(f"flag {a}:"))
    file = f"--config={_file(arguments)}"
    return f"{next(named, file)}: "


def _file(arguments: list[str]) -> str:
    """The value of --config."""
    values = (a.removeprefix("--config=") for a in arguments if "--config=" in a)
    return next(values, "")


def run() -> None:
    """Runs main; an error of the user's is one line and exit status 2."""
    try:
        app.run(main, flags_parser=_parse_flags)
    except UsageError as error:
        sys.exit(_fail(str(error), 2))
    except OSError as error:
        if not error.filename:
            raise
        line = f"{error.filename}: {error.strerror}; mend that or choose another place"
        sys.exit(_fail(line, 2))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted; the same command goes on from here", 130))


def _fail(line: str, status: int) -> int:
    print(f"error: {line}", file=sys.stderr)
    return status


if __name__ == "__main__":
    run()
