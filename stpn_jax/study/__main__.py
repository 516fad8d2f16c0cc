"""The door to the study: `python -m stpn_jax.study hmdb51 --data=FOLDER`.

Trains what a part compares, keeps every video's answers as CSV, and writes the tables
into RESULTS.md between its markers, or into one beside other `--results`. Started
again, it goes on where it stopped; `--tables` only writes the tables again, of what is
there.
"""

import argparse
import re
import sys
from collections.abc import Sequence

import jax
from absl import logging
from etils import epath

from stpn_jax import config_flag
from stpn_jax.experiment import setup
from stpn_jax.study import book, choices, results, trials
from stpn_jax.study.parts import PARTS, Part
from stpn_jax.utils import compilation_cache, errors
from stpn_jax.utils.errors import UsageError


def main(arguments: Sequence[str]) -> None:
    """Runs what is missing, then writes the tables."""
    options, overrides = _parse(arguments)
    part = PARTS[options.part]
    chosen = f"{options.part}/{choices.FOLDER}"
    compared = [f"{options.part}/{name}" for name in part.comparisons]
    folder = epath.Path(options.results) / options.part
    if not options.tables:
        results.make(options.results, options.part)
    elif not folder.exists():
        raise UsageError(f"{folder}: no answers are there yet")
    report = results.check(
        results.report(options), [chosen] if options.choose else [*compared, chosen]
    )
    if options.choose:
        _run(options, part, overrides, folder / choices.FOLDER / options.choose)
        text = choices.table(part, folder)
        results.write(report, {chosen: text})
    else:
        if not options.tables:
            _run(options, part, overrides, folder)
        text = results.update(report, options.part, part, folder)
    print(f"\n{text}\nwritten to {report}")


def _run(
    options: argparse.Namespace, part: Part, overrides: list[str], answers: epath.Path
) -> None:
    if part.devices and jax.device_count() != part.devices:
        raise UsageError(
            f"{options.part} runs on {part.devices} devices, and here are "
            f"{jax.device_count()}: "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={part.devices}"
        )
    if options.data:
        overrides = [f"--config.data.data_dir={options.data}", *overrides]
    folder = epath.Path(options.workdir) / options.part
    seeds = 1 if options.brief else options.seeds
    planned = list(trials.plan(part, folder, overrides, seeds, options.choose))
    config_flag.check_stages(overrides, (one.config for one in planned))
    for trial in planned:
        setup.check_weights(trial.config)
    if options.brief:
        planned = list(
            trials.plan(part, folder, overrides, seeds, options.choose, brief=True)
        )
    chosen = [
        one for one in planned if not options.only or one.comparison in options.only
    ]
    compilation_cache.enable()
    logging.set_verbosity(logging.FATAL)  # What Orbax logs as errors, it raises.
    trials.run(chosen, book.Book(answers), bool(options.choose))


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = errors.Parser(prog="python -m stpn_jax.study", description=__doc__)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--data", default="", help="records [the config's]")
    parser.add_argument("--workdir", default="runs/study", help="folder of the runs")
    results.add_options(parser)
    parser.add_argument("--seeds", type=int, default=0, help="at most, of each row")
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        help="these comparisons, with commas",
    )
    parser.add_argument(
        "--choose",
        default="",
        metavar="NAME",
        help="score the --config.X=VALUE given on a validation part, under this name",
    )
    parser.add_argument(
        "--brief", action="store_true", help="one seed and a few updates: a trial of it"
    )
    parser.add_argument(
        "--tables",
        action="store_true",
        help="train nothing, write those of what is there",
    )
    options, overrides = config_flag.parse_with_overrides(parser, arguments)
    for one in overrides:
        if one.startswith(("--config.seed=", "--config.model.sketch_seed=")):
            raise UsageError(f"{one}: the study gives each row its own; see --seeds")
    if options.choose and not re.fullmatch(r"\w[\w.-]*", options.choose):
        raise UsageError(
            f"--choose={options.choose}: expected letters, digits, '.', '-' and '_'"
        )
    if options.choose and options.tables:
        raise UsageError("--tables trains nothing, and --choose does: give one of them")
    if options.tables and (options.only or options.seeds or overrides):
        raise UsageError(
            "--tables writes those of all that is there: drop --only, --seeds and "
            "--config.X"
        )
    if options.brief and (options.seeds or options.choose):
        raise UsageError("--brief is a trial of one seed: drop --seeds and --choose")
    if not options.workdir:
        raise UsageError("--workdir=: expected the name of a folder")
    if options.seeds < 0:
        raise UsageError(f"--seeds={options.seeds}: expected 1 or more, or 0 for all")
    unknown = set(options.only) - set(PARTS[options.part].comparisons)
    if unknown:
        known = ", ".join(PARTS[options.part].comparisons)
        raise UsageError(f"--only: {min(unknown)!r}: expected some of {known}")
    return options, overrides


if __name__ == "__main__":
    errors.run(lambda: main(sys.argv[1:]))
