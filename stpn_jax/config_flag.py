"""The --config flag: a file, its variant and overrides, with errors in one line."""

import contextlib
import dataclasses
import difflib
import pathlib
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from stpn_jax import config as configs
from stpn_jax.config import Config
from stpn_jax.utils.errors import UsageError


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


def config_dict(config: Config) -> ConfigDict:
    """A config as config files change it: nested, its stages by their names."""
    fields = {
        f.name: _nested(getattr(config, f.name)) for f in dataclasses.fields(config)
    }
    stages = {stage.name: _nested(stage) for stage in config.stages}
    for stage in stages.values():
        del stage["name"]  # Its key among the stages.
    fields["stages"] = ConfigDict(stages, sort_keys=False)
    return ConfigDict(fields, sort_keys=False)


def _fields(value: Any) -> dict[str, Any]:
    return {f.name: _nested(getattr(value, f.name)) for f in dataclasses.fields(value)}


def _nested(value: Any) -> Any:
    if not dataclasses.is_dataclass(value):
        return value
    return ConfigDict(_fields(value), sort_keys=False)


def define(
    values: flags.FlagValues = flags.FLAGS, arguments: list[str] | None = None
) -> None:
    """Adds the flag: once, before the arguments (sys.argv, or these) are parsed."""
    config_flags.DEFINE_config_file(
        "config",
        None,
        "Config file; variants as FILE:NAME.",
        lock_config=True,
        flag_values=values,
        sys_argv=arguments,
    )


def config(values: flags.FlagValues = flags.FLAGS) -> Config:
    """The config of the parsed flags.

    Raises:
        UsageError: there is no --config, or a field of it is wrong.
    """
    if values["config"].value is None:
        raise UsageError("--config=FILE is needed, for example configs/ucf101.py")
    return configs.from_config_dict(values["config"].value)


def name(values: flags.FlagValues = flags.FLAGS) -> str:
    """The config file's name without its suffix, and the variant's."""
    path, _, variant = config_flags.get_config_filename(values["config"]).partition(":")
    stem = pathlib.Path(path).stem
    return f"{stem}-{variant}" if variant else stem


def load(file: str, overrides: Sequence[str]) -> Config:
    """The config of FILE or FILE:VARIANT with overrides --config.A.B=VALUE.

    Raises:
        UsageError: for every failure.
    """
    values = flags.FlagValues()
    arguments = ["", f"--config={file}", *overrides]
    define(values, arguments)
    parse(arguments, values)
    return config(values)


def join_values(arguments: Sequence[str], flag: str) -> list[str]:
    """Arguments with `FLAG A B`, or FLAG given several times, as the one `FLAG=A,B`."""
    rest: list[str] = []
    values: list[str] = []
    target = rest
    for argument in arguments:
        name, given, value = argument.partition("=")
        if name == flag:
            target = rest if given else values
            values += [value] if given else []
        else:
            target = rest if argument.startswith("-") else target
            target.append(argument)
    return [*rest, f"{flag}={','.join(values)}"] if values else rest


def parse(
    arguments: Sequence[str], values: flags.FlagValues = flags.FLAGS
) -> list[str]:
    """Parses all flags and loads the config file: the flags_parser of absl.app.run.

    Raises:
        UsageError: for every failure.
    """
    try:
        rest = values(arguments)
        if values["config"].value is not None:
            values["config"].value.items()  # A failed load shows on first use.
    except Exception as error:
        raise UsageError(_explain(error, arguments, values)) from error
    return list(rest)


def _explain(
    error: BaseException, arguments: Sequence[str], values: flags.FlagValues
) -> str:
    """One line: the wrong argument and the innermost exception."""
    with contextlib.suppress(Exception):  # The file may not load at all.
        if unknown := _unknown_field(arguments, values):
            return unknown
    culprit = _culprit(error, arguments)
    while (cause := error.__cause__ or error.__context__) and str(cause):
        error = cause
    if isinstance(error, OSError):
        return f"{culprit}there is no config file of that name that can be read"
    return culprit + " ".join(str(error).split())


def _unknown_field(arguments: Sequence[str], values: flags.FlagValues) -> str:
    """A line on the first --config.A.B=VALUE without such a field, or nothing."""
    keys = [argument.partition("=")[0].split(".") for argument in arguments]
    for _, *names in (key for key in keys if key[0] == "--config"):
        node: Any = values["config"].parser.parse(_file(arguments))
        path = "config"
        for name in names:
            path = f"{path}.{name}"
            if name.isidentifier() and name not in node:
                nearest = difflib.get_close_matches(name, node, n=1, cutoff=0.0)
                return f"{path}: no such field; did you mean {nearest[0]}?"
            node = node[name]
    return ""


def _culprit(error: BaseException, arguments: Sequence[str]) -> str:
    """The argument that an error is about, to begin its line."""
    if isinstance(error, flags.UnrecognizedFlagError):
        return ""  # It names the flag itself.
    named = (a for a in arguments if str(error).startswith(f"flag {a}:"))
    file = f"--config={_file(arguments)}"
    return f"{next(named, file)}: "


def _file(arguments: Sequence[str]) -> str:
    """The value of the last --config."""
    values = [a.removeprefix("--config=") for a in arguments if "--config=" in a]
    return values[-1] if values else ""
