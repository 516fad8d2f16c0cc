"""The paper's tables and the studies of RESULTS.md: `python -m studies NAME ...`.

Trains the rows that NAME compares, over streams that they share, and writes their
tables. It is resumable: rerun the same command.
"""

import argparse
import re
import sys
from collections.abc import Callable, Collection, Sequence

import jax
from etils import epath

from stpn_jax.experiment import setup
from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError
from studies import (
    accuracy_tables,
    exact_products,
    planner,
    report,
    runner,
    sketch_approximation,
)
from studies.result_store import ResultStore
from studies.rows import Study
from studies.tables import PAPER, STUDIES

Run = Callable[[argparse.Namespace, list[str]], None]
SEARCH = "choices"  # folder and marker of the hyperparameter search


def main(arguments: Sequence[str]) -> None:
    """Runs a table of the paper, or a study."""
    options, overrides = _parser().parse_known_args(arguments)
    for one in overrides:
        if not one.startswith("--config."):
            raise UsageError(f"unknown argument {one!r}; fields: --config.A.B=VALUE")
    options.run(options, overrides)


def paper_table(options: argparse.Namespace, overrides: list[str]) -> None:
    """Runs the rows of a table that are not finished yet, then writes tableN.md."""
    number, table = options.number, PAPER[options.number]
    root = epath.Path(options.workdir or f"runs/table{number}")
    variants = [row.variant for row in table.rows]
    planned = planner.plan_table(
        number, table, options.config, options.splits, overrides, root
    )
    runs = list(planned)
    planner.check_table(runs, overrides)
    _check_known("--rows", options.rows, variants)
    chosen = [run for run in runs if run.row.variant in (options.rows or variants)]
    path = root / f"table{number}.md"
    text = runner.run_table(table, chosen, runs, path)
    print(f"\n{text}\nwritten to {path}")


def study(options: argparse.Namespace, overrides: list[str]) -> None:
    """Runs what is missing of a study, then writes its tables."""
    name, compared = options.name, STUDIES[options.name]
    _check_study(options, overrides)
    folder = epath.Path(options.results) / name
    if not options.tables:
        report.make_folder(options.results, name)
    elif not folder.exists():
        raise UsageError(f"{folder}: no results are there yet")
    markers = [] if options.choose else [f"{name}/{key}" for key in compared.tables]
    path = report.check(report.path_of(options), [*markers, f"{name}/{SEARCH}"])
    if options.choose:
        folder = folder / SEARCH / options.choose
    store = ResultStore(folder)
    if not options.tables:
        _train(options, overrides, compared, store)
    tables = {}
    for key, table in compared.tables.items():
        if not options.choose and (predictions := store.read(key)):
            tables[key] = table.title, accuracy_tables.of_study(table, predictions)
    searched = epath.Path(options.results) / name / SEARCH
    if searched.exists():
        title = "Choices, on a validation part"
        tables[SEARCH] = title, accuracy_tables.of_search(compared, searched)
    if not tables:
        raise UsageError(f"{folder}: no results are there yet")
    report.write(path, {f"{name}/{key}": text for key, (_, text) in tables.items()})
    for title, text in tables.values():
        print(f"\n{title}\n\n{text}")
    print(f"written to {path}")


def _train(
    options: argparse.Namespace,
    overrides: list[str],
    compared: Study,
    store: ResultStore,
) -> None:
    if compared.devices and jax.device_count() != compared.devices:
        raise UsageError(
            f"{options.name} runs on {compared.devices} devices; found "
            f"{jax.device_count()}: "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={compared.devices}"
        )
    if options.data:
        overrides = [f"--config.data.data_dir={options.data}", *overrides]
    folder = epath.Path(options.workdir) / options.name
    seeds = 1 if options.brief else options.seeds
    runs = list(planner.plan_study(compared, folder, overrides, seeds, options.choose))
    planner.check_stages(overrides, (run.config for run in runs))
    for run in runs:
        setup.check_weights(run.config)
    if options.brief:
        runs = list(planner.plan_study(compared, folder, overrides, 1, brief=True))
    chosen = [run for run in runs if run.table in (options.only or compared.tables)]
    runner.run_study(chosen, store, bool(options.choose))


def _check_study(options: argparse.Namespace, overrides: list[str]) -> None:
    """Raises UsageError for options of a study that do not fit together."""
    for one in overrides:
        if one.startswith(("--config.seed=", "--config.model.sketch_seed=")):
            raise UsageError(f"{one}: the study gives each row its own; see --seeds")
    if not options.workdir:
        raise UsageError("--workdir=: expected the name of a folder")
    if options.choose and not re.fullmatch(r"\w[\w.-]*", options.choose):
        raise UsageError(
            f"--choose={options.choose}: expected letters, digits, '.', '-' and '_'"
        )
    if options.choose and options.tables:
        raise UsageError("--tables trains nothing, and --choose does: give one of them")
    if options.tables and (options.only or options.seeds or overrides):
        raise UsageError(
            "--tables writes the tables of all results: drop --only, --seeds and "
            "--config.X"
        )
    if options.brief and options.choose:
        raise UsageError("--brief is a quick check of one seed: drop --choose")
    _check_known("--only", options.only, STUDIES[options.name].tables)


def _check_known(option: str, names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"{option}: {name!r}: expected some of {', '.join(known)}")


def _parser() -> argparse.ArgumentParser:
    parser = errors.Parser(prog="python -m studies", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True)

    def add(name: str, run: Run, text: str, **defaults: str) -> argparse.ArgumentParser:
        one = names.add_parser(name, help=text, description=text)
        one.set_defaults(run=run, **defaults)
        return one

    for number, table in PAPER.items():
        name = number if number == "extra" else f"table{number}"
        _add_table_options(add(name, paper_table, table.title, number=number))
    for name in STUDIES:
        one = add(name, study, f"the study {name} of RESULTS.md")
        _add_run_options(one)
        _add_study_options(one)
    _add_run_options(add("products", exact_products.run, exact_products.TITLE))
    _add_result_options(
        add("operator", sketch_approximation.run, sketch_approximation.TITLE)
    )
    return parser


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        action="append",
        required=True,
        metavar="FILE[:VARIANT]",
        help="config of the data; again for a second data set (table7)",
    )
    parser.add_argument("--workdir", help="folder of the runs [runs/tableN]")
    parser.add_argument("--rows", type=_names, default=[], help="only these variants")
    parser.add_argument(
        "--splits",
        type=split_numbers,
        default=[],
        help="official splits, with commas [the config's; table7: 1,2,3]",
    )


def _add_result_options(parser: argparse.ArgumentParser) -> None:
    report.add_options(parser)
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=_count, default=0, help="of each row [its own]")
    seeds.add_argument(
        "--brief", action="store_true", help="a quick check: one seed, cut down"
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="", help="records [the config's]")
    parser.add_argument("--workdir", default="runs/study", help="folder of the runs")
    _add_result_options(parser)


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", type=_names, default=[], help="these tables, with commas"
    )
    parser.add_argument(
        "--choose",
        default="",
        metavar="NAME",
        help="score the --config.X=VALUE given on a validation part, under this name",
    )
    parser.add_argument(
        "--tables",
        action="store_true",
        help="train nothing, write the tables of the results that are there",
    )


def _names(text: str) -> list[str]:
    return text.split(",")


def split_numbers(text: str) -> list[int]:
    """Official splits, with commas between them."""
    return [int(name) for name in text.split(",")]


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text!r}")
    return int(text)


if __name__ == "__main__":
    errors.run(lambda: main(sys.argv[1:]))
