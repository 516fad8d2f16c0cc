"""The --config flag: a file, its variant, overrides; what is wrong is one line."""

import contextlib
import difflib
import pathlib
from typing import Any

from absl import flags
from ml_collections import config_flags

from stpn_jax import config as configs
from stpn_jax.config import Config
from stpn_jax.errors import UsageError

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file; variants as FILE:NAME.", lock_config=True
)


def config() -> Config:
    """The config that the flags describe.

    Raises:
        UsageError: there is no --config, or a field of it is wrong.
    """
    if _CONFIG.value is None:
        raise UsageError("--config=FILE is needed, for example configs/ucf101.py")
    return configs.from_config_dict(_CONFIG.value)


def name() -> str:
    """Name of the config file without its ending, and of the variant."""
    path, _, variant = config_flags.get_config_filename(
        flags.FLAGS["config"]
    ).partition(":")
    stem = pathlib.Path(path).stem
    return f"{stem}-{variant}" if variant else stem


def parse(arguments: list[str]) -> list[str]:
    """Parses all flags and loads the config file: the flags_parser of absl.app.run.

    Raises:
        UsageError: for every failure, as it is the user's to mend.
    """
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
    """The value of --config, of which the last one counts."""
    values = [a.removeprefix("--config=") for a in arguments if "--config=" in a]
    return values[-1] if values else ""
