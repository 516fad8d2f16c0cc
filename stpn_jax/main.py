"""The door: `python -m stpn_jax.main --config=configs/ucf101.py`."""

import pathlib
import sys

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
        raise UsageError(_explain(error)) from error
    return list(rest)


def _explain(error: BaseException) -> str:
    """One line: a config file's own exception, without those it was wrapped in."""
    hints = isinstance(error, AttributeError)  # Wrapped to name the nearest field.
    while not hints and (cause := error.__cause__ or error.__context__):
        error = cause
    return " ".join(str(error).replace("\\n", " ").replace("\\'", "'").split())


def run() -> None:
    """Runs main; an error of the user's is one line and exit status 2."""
    try:
        app.run(main, flags_parser=_parse_flags)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    run()
