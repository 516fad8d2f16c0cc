"""The main command: `python -m stpn_jax.main --config=configs/ucf101.py`."""

if __name__ == "__main__":  # Before the imports: a library may not be installed.
    from stpn_jax import cli

    cli.run_module("stpn_jax.main")

import argparse
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import logging
from etils import epath

from stpn_jax import cli, cluster, config_flag, parallel
from stpn_jax.evaluation import attention_share
from stpn_jax.experiment import evaluate, export, report_attempt, run_dir, setup, train
from stpn_jax.utils import command_line, compilation_cache, errors
from stpn_jax.utils.command_line import whole
from stpn_jax.utils.errors import UsageError

# Modes, and what is not lost if the disk is full.
_KEPT = {
    "train": "the last whole checkpoint is kept",
    "evaluate": "the networks are kept",
    "export": "the run is kept",
    "report": "the results are kept",
    "compare": "nothing is lost",
    "compile": "nothing is lost",
}
TOPOLOGY = "v5e:2x4"
_RUN = ("config", "workdir", "streams", "coordinator", "num_processes", "process_id")
# Modes, and the flags that they read.
_READ = {
    "train": (*_RUN, "init_from", "profile", "boxes"),
    "evaluate": (*_RUN, "boxes"),
    "export": (*_RUN, "out"),
    "report": (*_RUN, "out", "boxes"),
    "compare": ("runs", "out"),
    "compile": ("config", "workdir", "out", "topology", "stages", "classes"),
}


def main(
    arguments: Sequence[str] | None = None, prog: str = "python -m stpn_jax.main"
) -> int:
    """Runs the command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    return errors.guard(lambda: _main(given, prog), parallel.who)


def _main(arguments: Sequence[str], prog: str) -> None:
    arguments, overrides = config_flag.split(arguments)
    parser = _parser(prog)
    options = parser.parse_args(arguments)
    if options.help:
        if prog.startswith("stpn "):
            _narrow(parser, options.mode)
        parser.print_help()
        if options.config:
            config = config_flag.load(options.config, overrides)
            print("\nfields of the config:\n" + config_flag.describe(config))
        return
    _check_read(options, parser, overrides)
    logging.use_absl_handler()
    logging.set_verbosity(logging.FATAL)  # What Orbax logs as errors, it raises.
    if options.mode == "compare":
        _compare(options)
    elif options.mode == "compile":
        _compile(options, overrides)
    else:
        _run(options, overrides)


def _check_read(
    options: argparse.Namespace, parser: command_line.Parser, overrides: Sequence[str]
) -> None:
    """Raises UsageError if a flag is given that has no effect."""
    read = ("mode", "help", *_READ[options.mode])
    given = [k for k, v in vars(options).items() if v != parser.get_default(k)]
    for name in (*given, *(one.removeprefix("--") for one in overrides)):
        if name.partition(".")[0] not in read:
            raise UsageError(
                f"--{name} has no effect in mode {options.mode}; leave it out"
            )


def _narrow(parser: command_line.Parser, mode: str) -> None:
    """Limits the help to one mode."""
    parser.description = cli.COMMANDS[mode].text
    parser.epilog = parser.epilog if "config" in _READ[mode] else None
    for action in parser._actions:
        if action.dest not in ("help", *_READ[mode]):
            action.help = argparse.SUPPRESS


def _compare(options: argparse.Namespace) -> None:
    from stpn_jax.experiment import compare  # Matplotlib: training does without.

    out = options.out or "comparison"
    with errors.disk_errors(out, _KEPT["compare"]):
        print(compare.write(options.runs, out) + f"\nwritten to {out}")


def _compile(options: argparse.Namespace, overrides: Sequence[str]) -> None:
    from stpn_jax.experiment import compile_report  # It may not load a device.

    config = config_flag.load(options.config, overrides)
    out = epath.Path(options.out or _workdir(options))
    with errors.disk_errors(out, _KEPT["compile"]):
        path = compile_report.write(
            config,
            TOPOLOGY if options.topology is None else options.topology,
            options.stages,
            options.classes,
            out,
        )
        print(f"written {path}")


def _run(options: argparse.Namespace, overrides: Sequence[str]) -> None:
    config = config_flag.load(options.config, overrides)
    cluster.join(options.coordinator, options.num_processes, options.process_id)
    if not parallel.is_first_host():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 to the end of the process
    compilation_cache.enable()
    experiment = setup.open_experiment(
        config,
        _workdir(options),
        options.init_from if options.mode == "train" else None,
        options.streams,
    )
    with errors.disk_errors(_written_to(options, experiment), _KEPT[options.mode]):
        _act(options, experiment)


def _act(options: argparse.Namespace, experiment: setup.Experiment) -> None:
    """Does what --mode says."""
    boxes = attention_share.read(options.boxes) if options.boxes else {}
    if options.mode == "train":
        train.train(experiment, options.profile, boxes)
    elif options.mode == "evaluate":
        evaluate.evaluate(experiment)
        report_attempt.attempt(experiment, boxes)
        run_dir.print_files(experiment.directory)
    elif options.mode == "report":
        from stpn_jax.experiment import run_report  # Matplotlib, as above.

        page = run_report.write(experiment, boxes, _written_to(options, experiment))
        print(f"written {page}")
    else:
        for path in export.export(experiment, _written_to(options, experiment)):
            print(f"written {path}")


def _written_to(
    options: argparse.Namespace, experiment: setup.Experiment
) -> epath.Path:
    """The folder that --mode writes to."""
    if options.mode in ("train", "evaluate"):
        return experiment.directory
    default = run_dir.REPORT if options.mode == "report" else "artifact"
    return epath.Path(options.out or experiment.directory / default)


def _workdir(options: argparse.Namespace) -> str:
    """By default a config file's name without its suffix, and the variant's."""
    if options.workdir:
        return str(options.workdir)
    path, _, variant = options.config.partition(":")
    stem = pathlib.Path(path).stem
    return f"runs/{stem}-{variant}" if variant else f"runs/{stem}"


class _Join(argparse.Action):
    """Values with spaces, with commas or by the flag again, as one list."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: Any = None
    ) -> None:
        names = [name for value in values for name in value.split(",") if name]
        names = [os.path.expanduser(name) for name in names]
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), *names])


def _parser(prog: str) -> command_line.Parser:
    parser = command_line.Parser(
        prog=prog,
        add_help=False,
        description="Trains, tests and exports the networks of a config.",
        epilog="--config.A.B=VALUE sets a field of the config; "
        "--config=FILE --help lists all fields with their values.",
    )
    add, add_path = parser.add_argument, parser.add_path
    add("-h", "--help", action="store_true", help="show this, and with --config fields")
    add_path("--config", metavar="FILE[:VARIANT]", help="such as configs/ucf101.py")
    add("--mode", choices=_KEPT, default="train", help="what to do with the run")
    add_path(
        "--workdir", metavar="DIR", help="of the run [runs/ and the config's name]"
    )
    start = "checkpoint to start from in place of ImageNet weights"
    add("--init_from", metavar="DIR", default="", help=start)
    streams = "of the single streams, for runs that share them"
    add_path("--streams", metavar="DIR", default="", help=streams)
    trace = "write a trace of some updates of each stage that is trained"
    add("--profile", action="store_true", help=trace)
    out = "to write to [WORKDIR, or in it artifact or report; comparison]"
    add_path("--out", metavar="DIR", help=out)
    boxes = "boxes that the report compares the attention with"
    add_path("--boxes", metavar="CSV", default="", help=boxes)
    runs = "workdirs to compare: the first one with each of the others"
    add("--runs", metavar="DIR", nargs="*", action=_Join, default=[], help=runs)
    add("--topology", metavar="KIND:SIDES", help=f"TPUs to compile for [{TOPOLOGY}]")
    stages = "to compile, and `export` for the exported programs [all]"
    add("--stages", metavar="NAME", nargs="*", action=_Join, default=[], help=stages)
    classes = "that are compiled for [those of the data set, or 101]"
    add("--classes", metavar="N", type=whole(1), help=classes)
    host = "host:port of process 0 [from the cluster]"
    add("--coordinator", metavar="ADDRESS", default="", help=host)
    count = "processes of this run [from the cluster, or 1]"
    add("--num_processes", metavar="N", type=whole(0), default=0, help=count)
    index = "which of them this is, from 0 [from the cluster]"
    add("--process_id", metavar="I", type=whole(0), help=index)
    return parser
