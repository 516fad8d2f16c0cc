"""The main command: `python -m stpn_jax.main --config=configs/ucf101.py`."""

import functools
import os
import sys
from collections.abc import Sequence

from absl import app, flags, logging
from etils import epath

from stpn_jax import cluster, config_flag, parallel
from stpn_jax.experiment import (
    compare,
    evaluate,
    export,
    run_dir,
    run_report,
    setup,
    train,
)
from stpn_jax.utils import compilation_cache, errors, files
from stpn_jax.utils.errors import UsageError

# What is not lost if the disk is full, by --mode.
_KEPT = {
    "train": "the last whole checkpoint is kept",
    "evaluate": "the networks are kept",
    "export": "the run is kept",
    "report": "the results are kept",
}

config_flag.define()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run [default: runs/ and the config's name]."
)
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "evaluate", "export", "report", "compare"],
    "What to do with the run.",
)
_INIT_FROM = flags.DEFINE_string(
    "init_from", "", "Checkpoint folder to start from in place of ImageNet weights."
)
_STREAMS = flags.DEFINE_string(
    "streams", "", "Folder of the single streams, for runs that share them."
)
_PROFILE = flags.DEFINE_bool(
    "profile", False, "Write a trace of some updates of each stage that is trained."
)
_OUT = flags.DEFINE_string(
    "out",
    None,
    "Folder to write to [default: WORKDIR/artifact, WORKDIR/report or comparison].",
)
_BOXES = flags.DEFINE_string(
    "boxes", "", "CSV file of boxes that the report compares the attention with."
)
_RUNS = flags.DEFINE_list(
    "runs", [], "Workdirs to compare: the first one with each of the others."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", "", "host:port of process 0 [default: from the cluster]."
)
_NUM_PROCESSES = flags.DEFINE_integer(
    "num_processes", 0, "Processes of this run [default: from the cluster, or 1]."
)
_PROCESS_ID = flags.DEFINE_integer(
    "process_id", None, "Which of them this is, from 0 [default: from the cluster]."
)


def main(arguments: list[str]) -> None:
    """Parses the flags and calls the experiment."""
    if len(arguments) > 1:
        raise UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --")
    logging.set_verbosity(logging.FATAL)  # What Orbax logs as errors, it raises.
    if _MODE.value == "compare":
        out = files.expand(_OUT.value or "comparison")
        runs = [str(files.expand(run)) for run in _RUNS.value]
        with errors.disk_errors(out, "nothing is lost"):
            print(compare.write(runs, out) + f"\nwritten to {out}")
        return
    config = config_flag.config()
    cluster.join(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    if not parallel.is_first_host():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 to the end of the process
    compilation_cache.enable()
    experiment = setup.open_experiment(
        config,
        _WORKDIR.value or f"runs/{config_flag.name()}",
        _INIT_FROM.value if _MODE.value == "train" else None,
        _STREAMS.value,
    )
    with errors.disk_errors(_written_to(experiment), _KEPT[_MODE.value]):
        _act(experiment)


def _act(experiment: setup.Experiment) -> None:
    """Does what --mode says."""
    boxes = run_report.read_boxes(files.expand(_BOXES.value)) if _BOXES.value else {}
    if _MODE.value == "train":
        train.train(experiment, _PROFILE.value, boxes)
    elif _MODE.value == "evaluate":
        evaluate.evaluate(experiment)
        run_report.attempt(experiment, boxes)
        run_dir.print_files(experiment.directory)
    elif _MODE.value == "report":
        page = run_report.write(experiment, boxes, _written_to(experiment))
        print(f"written {page}")
    else:
        for path in export.export(experiment, _written_to(experiment)):
            print(f"written {path}")


def _written_to(experiment: setup.Experiment) -> epath.Path:
    """The folder that --mode writes to."""
    if _MODE.value in ("train", "evaluate"):
        return experiment.directory
    default = run_dir.REPORT if _MODE.value == "report" else "artifact"
    return files.expand(_OUT.value or experiment.directory / default)


def parse(arguments: Sequence[str]) -> list[str]:
    """Parses all flags; --runs takes its values in any form."""
    return config_flag.parse(config_flag.join_values(arguments, "--runs"))


def run() -> None:
    """Runs main with errors in one line."""
    errors.run(functools.partial(app.run, main, flags_parser=parse), parallel.who)


if __name__ == "__main__":
    run()
