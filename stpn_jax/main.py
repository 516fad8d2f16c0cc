"""The door: `python -m stpn_jax.main --config=configs/ucf101.py`."""

import sys

from absl import app, flags, logging

from stpn_jax import compilation_cache, config_flag
from stpn_jax.errors import UsageError
from stpn_jax.experiment import exporting, setup, testing, training, workdir

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
    config = config_flag.config()
    compilation_cache.enable()
    logging.set_verbosity(logging.WARNING)
    experiment = setup.open_experiment(
        config,
        _WORKDIR.value or f"runs/{config_flag.name()}",
        _INIT_FROM.value if _MODE.value == "train" else None,
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


def run() -> None:
    """Runs main; an error of the user's is one line and exit status 2."""
    try:
        app.run(main, flags_parser=config_flag.parse)
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
