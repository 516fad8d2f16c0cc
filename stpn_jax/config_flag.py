"""The --config flag: a file, its variant and overrides, with errors in one line."""

import contextlib
import dataclasses
import difflib
import inspect
import pathlib
import re
import shlex
import traceback
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from stpn_jax import config as configs
from stpn_jax.config import Config, StageConfig
from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError

# A field in the Attributes of a docstring, and what it says about it.
_MEANING = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


class ConfigDict(ml_collections.ConfigDict):
    """A ConfigDict that still takes the earlier names of fields, with a warning."""

    def _current(self, key: str, warns: bool = False) -> str:
        """The name now of a field that this section has; other keys stay."""
        name = configs.RENAMED.get(key, "")
        if not super().__contains__(name):
            return key
        return configs.current_name(key) if warns else name

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._current(key))

    def __setitem__(self, key: str, value: Any) -> None:
        plain = isinstance(value, ml_collections.ConfigDict)
        if plain and not isinstance(value, ConfigDict):
            value = ConfigDict(value, sort_keys=False)
        super().__setitem__(self._current(key, warns=True), value)

    def __contains__(self, key: str) -> bool:
        return super().__contains__(key) or super().__contains__(
            configs.RENAMED.get(key, key)
        )

    def get_type(self, key: str) -> Any:
        """The type that a flag's value must have."""
        return super().get_type(self._current(key))

    def update(self, *others: Any, **fields: Any) -> None:
        """As a dict's, but what is a ConfigDict already is updated in place."""
        for other in (*others, fields):
            super().update({self._current(k, True): v for k, v in other.items()})


def config_dict(value: Any) -> Any:
    """A config as config files change it: nested, its stages by their names."""
    if dataclasses.is_dataclass(value):
        found = {
            f.name: config_dict(getattr(value, f.name))
            for f in dataclasses.fields(value)
        }
    elif isinstance(value, tuple) and isinstance(next(iter(value), None), StageConfig):
        found = {stage.name: config_dict(stage) for stage in value}
        for stage in found.values():
            del stage["name"]  # Its key among the stages.
    else:
        return value
    return ConfigDict(found, sort_keys=False)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command's arguments, and those that set fields, as --config.A.B=VALUE."""
    rest: list[str] = []
    overrides: list[str] = []
    waiting = list(arguments)
    while waiting:
        one = waiting.pop(0)
        if not one.startswith("--config."):
            rest.append(one)
        elif "=" not in one and waiting and not waiting[0].startswith("--"):
            overrides.append(f"{one}={waiting.pop(0)}")
        else:
            overrides.append(one)
    return rest, overrides


def load(file: str | None, overrides: Sequence[str]) -> Config:
    """The config of FILE or FILE:VARIANT with overrides --config.A.B=VALUE.

    Raises:
        UsageError: for every failure.
    """
    if file is None:
        raise UsageError("--config=FILE is needed, for example configs/ucf101.py")
    for one in overrides:
        if "=" not in one:  # Absl would take the next override as its value.
            raise UsageError(f"{one}: expected a value, as {one}=VALUE")
    values = flags.FlagValues()
    arguments = ["", f"--config={file}", *overrides]
    config_flags.DEFINE_config_file(
        "config", lock_config=True, flag_values=values, sys_argv=arguments
    )
    try:
        values(arguments)
        found: Any = values["config"].value
        found.items()  # A failed load shows on first use.
    except BaseException as error:  # SystemExit too, unless it is a signal's.
        is_signal = getattr(error, "code", None) == errors.PREEMPTED
        if is_signal or isinstance(error, KeyboardInterrupt):
            raise
        raise UsageError(_explain(error, file, overrides, values)) from error
    return configs.from_config_dict(found)


def describe(config: Config) -> str:
    """Every field as it is set on the command line, with its type and its meaning."""
    return "\n".join(_describe(config, "--config"))


def _describe(section: Any, path: str) -> Iterator[str]:
    kinds = typing.get_type_hints(type(section))
    meanings = dict(_MEANING.findall(inspect.getdoc(type(section)) or ""))
    for name, kind in kinds.items():
        value = getattr(section, name)
        if dataclasses.is_dataclass(value):
            yield from _describe(value, f"{path}.{name}")
        elif isinstance(section, Config) and name == "stages":
            for stage in value:
                yield from _describe(stage, f"{path}.stages.{stage.name}")
        elif not (isinstance(section, StageConfig) and name == "name"):
            text = " ".join(meanings.get(name, "").split())
            kind = kind.__name__ if isinstance(kind, type) else kind
            facts = [str(kind).removeprefix("typing."), *filter(None, [text])]
            yield f"{path}.{name}={shlex.quote(str(value))}\n    {'; '.join(facts)}"


def _explain(
    error: BaseException,
    file: str,
    overrides: Sequence[str],
    values: flags.FlagValues,
) -> str:
    """One line: the wrong argument, and the file's own or the innermost exception."""
    culprit = _culprit(error, file, overrides)
    path = pathlib.Path(file.partition(":")[0])
    if isinstance(error, ModuleNotFoundError) and error.name in ("configs", "studies"):
        return f"{culprit}{error}; run the command in the repository's folder"
    for one in errors.chain(error):
        if (line := _line_of(one, path)) and not isinstance(one, UsageError):
            return f"{culprit}line {line}: {type(one).__name__}: {_text(one)}"
    with contextlib.suppress(Exception):  # The file may not load at all.
        if unknown := _unknown_field(file, overrides, values):
            return unknown
    if not path.is_file():
        return f"{culprit}there is no config file of that name that can be read"
    texts = [text for text in map(_text, errors.chain(error)) if text]
    return culprit + (texts[-1] if texts else type(error).__name__)


def _line_of(error: BaseException, path: pathlib.Path) -> int:
    """The line of a file that raised an error, or that called what did; else 0."""
    lines = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if pathlib.Path(frame.f_code.co_filename).resolve() == path.resolve()
    ]
    return lines[-1] if lines else 0


def _text(error: BaseException) -> str:
    """An error's message in one line; empty if it has none or cannot say it."""
    with contextlib.suppress(Exception):
        return " ".join(str(error).split())
    return ""


def _unknown_field(
    file: str, overrides: Sequence[str], values: flags.FlagValues
) -> str:
    """A line on the first --config.A.B=VALUE without such a field, or nothing."""
    for argument in overrides:
        _, *names = argument.partition("=")[0].split(".")
        node: Any = values["config"].parser.parse(file)
        path = "config"
        for name in names:
            path = f"{path}.{name}"
            if name.isidentifier() and name not in node:
                nearest = difflib.get_close_matches(name, node, n=1, cutoff=0.0)
                return f"{path}: no such field; did you mean {nearest[0]}?"
            node = node[name]
    return ""


def _culprit(error: BaseException, file: str, overrides: Sequence[str]) -> str:
    """The argument that an error is about, to begin its line."""
    if isinstance(error, flags.UnrecognizedFlagError):
        return ""  # It names the flag itself.
    named = (one for one in overrides if str(error).startswith(f"flag {one}:"))
    return f"{next(named, f'--config={file}')}: "
