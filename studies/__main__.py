"""The paper's tables and the studies of RESULTS.md: `python -m studies NAME ...`.

Trains the variants that NAME compares, over streams that they share, and writes their
tables. It is resumable: rerun the same command.
"""

if __name__ == "__main__":  # Before the imports: a library may not be installed.
    from stpn_jax import cli

    cli.run_module("studies.__main__")

import argparse
import re
from collections.abc import Callable, Collection, Sequence

import jax
from etils import epath

from stpn_jax.utils import command_line
from stpn_jax.utils.command_line import whole
from stpn_jax.utils.errors import UsageError
from studies import (
    accuracy_tables,
    exact_products,
    report,
    runs,
    sketch_approximation,
    summary,
)
from studies.result_store import read_folds
from studies.tables import PAPER, STUDIES

Run = Callable[[argparse.Namespace, list[str]], None]
SEARCH = "choices"  # folder and marker of the hyperparameter search
FOLDS = ("--config.data.validation_",)
SEEDS = ("--config.seed=", "--config.model.sketch_seed=")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a table of the paper, or a study."""
    options, overrides = _parser().parse_known_args(arguments)
    for one in overrides:
        if not one.startswith("--config."):
            raise UsageError(f"unknown argument {one!r}; fields: --config.A.B=VALUE")
    given = vars(options)
    if given.get("data") and not given.get("tables"):
        overrides = [f"--config.data.data_dir={options.data}", *overrides]
    options.run(options, overrides)


def paper_table(options: argparse.Namespace, overrides: list[str]) -> None:
    """Runs what is missing of a table of the paper, then writes tableN.md."""
    number, table = options.number, PAPER[options.number]
    root = epath.Path(options.workdir or f"runs/table{number}")
    where = (options.config, options.splits, overrides, root)
    planned = list(runs.plan_table(number, table, *where))
    runs.check_table(planned, overrides)
    rows = _some("--rows", options.rows, [row.variant for row in table.rows])
    chosen = [run for run in planned if run.row.variant in rows]
    path = root / f"table{number}.md"
    text = runs.run_table(table, chosen, planned, path)
    print(f"\n{text}\nwritten to {path}")


def study(options: argparse.Namespace, overrides: list[str]) -> None:
    """Runs what is missing of a study, then writes its tables."""
    compared = STUDIES[options.name].tables
    if STUDIES[options.name].folds and (options.brief or options.choose):
        raise UsageError(
            f"{options.name} is a hyperparameter search: no --brief, no --choose"
        )
    if options.tables and (options.only or overrides):
        raise UsageError("--tables writes all results: drop --only and --config.X")
    only = _some("--only", options.only, compared)
    output = report.prepare(options, options.name, [*compared, SEARCH])
    searched = output.folder / SEARCH
    folder = searched / options.choose if options.choose else output.folder
    if not options.tables:
        _train(options, overrides, only, folder)
    tables, folds = {}, STUDIES[options.name].folds
    for key, table in compared.items():
        predictions, minutes = read_folds(folder, key, folds)
        if not options.choose and predictions:
            tables[key] = accuracy_tables.of_study(table, predictions, minutes)
            print(f"\n{table.title}\n\n{tables[key]}")
    if searched.exists():
        tables[SEARCH] = accuracy_tables.of_search(STUDIES[options.name], searched)
        print(f"\nHyperparameter search, on validation videos\n\n{tables[SEARCH]}")
    if not tables:
        raise UsageError(f"{output.folder}: no results are there yet")
    output.write(tables, summary.of_comparisons(output.folder.parent))
    print(f"written to {output.report}")


def _train(
    options: argparse.Namespace,
    overrides: list[str],
    only: Collection[str],
    results: epath.Path,
) -> None:
    compared = STUDIES[options.name]
    for one in overrides:
        if one.startswith((*SEEDS, *(FOLDS if compared.folds else ()))):
            raise UsageError(f"{one}: the study sets that for each run")
    if compared.devices and jax.device_count() != compared.devices:
        raise UsageError(
            f"{options.name} runs on {compared.devices} devices; found "
            f"{jax.device_count()}: "
            f"XLA_FLAGS=--xla_force_host_platform_device_count={compared.devices}"
        )
    folder = epath.Path(options.workdir) / options.name
    planned = runs.plan_study(
        compared, folder, overrides, options.seeds, options.choose or "", options.brief
    )
    chosen = [run for run in planned if run.table in only]
    runs.run_study(chosen, results, bool(options.choose))


def _some(option: str, names: Sequence[str], known: Collection[str]) -> Collection[str]:
    """The names given, or all that are known."""
    for name in names:
        if name not in known:
            raise UsageError(f"{option}: {name!r}: expected some of {', '.join(known)}")
    return names or known


def _parser() -> command_line.Parser:
    parser = command_line.Parser(prog="python -m studies", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME", required=True)

    def add(name: str, run: Run, text: str, **defaults: str) -> command_line.Parser:
        one: command_line.Parser = names.add_parser(name, help=text, description=text)
        one.set_defaults(run=run, **defaults)
        return one

    for number, table in PAPER.items():
        name = number if number == "extra" else f"table{number}"
        one = add(name, paper_table, table.title, number=number)
        text = "FILE[:VARIANT] of the data; again for a second data set (table7)"
        one.add_argument("--config", action="append", required=True, help=text)
        one.add_path("--workdir", help="folder of the runs [runs/tableN]")
        one.add_argument("--rows", type=_names, default=[], help="only these variants")
        one.epilog = f"variants: {', '.join(row.variant for row in table.rows)}"
        text = "official splits, with commas [the config's; table7: 1,2,3]"
        one.add_argument("--splits", type=_numbers, default=[], help=text)
    for name in STUDIES:
        one = add(name, study, f"the study {name} of RESULTS.md")
        one.add_argument("--only", type=_names, default=[], help="these, with commas")
        text = (
            "of every variant, also of tables with fewer seeds of their own, unless "
            "--only names tables [each table's own]"
        )
        modes = _add_run_options(one, text)
        text = "hyperparameter search: score --config.X=VALUE on validation videos"
        modes.add_argument("--choose", type=_run_name, metavar="RUN", help=text)
    _add_run_options(add("products", exact_products.run, exact_products.TITLE))
    sketches = add("operator", sketch_approximation.run, sketch_approximation.TITLE)
    _add_result_options(sketches)
    return parser


def _add_run_options(
    parser: command_line.Parser, seeds: str = "of each variant [its own]"
) -> argparse._ActionsContainer:
    parser.add_path("--data", default="", help="records [the config's]")
    parser.add_path("--workdir", default="runs/study", help="folder of the runs")
    return _add_result_options(parser, seeds)


def _add_result_options(
    parser: command_line.Parser, seeds: str = "of each variant [its own]"
) -> argparse._ActionsContainer:
    """Where results and tables go, and how much is run; returns the latter's group."""
    parser.add_path("--results", default="results", help="folder of the results")
    text = f"file of the tables [{report.REPORT}, or in --results where that is given]"
    parser.add_path("--report", default="", help=text)
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument("--seeds", type=whole(1), default=0, help=seeds)
    text = "a quick check: one seed, cut down"
    modes.add_argument("--brief", action="store_true", help=text)
    text = "train nothing, write the tables of the results that are there"
    modes.add_argument("--tables", action="store_true", help=text)
    return modes


def _names(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [whole(1)(name) for name in text.split(",")]


def _run_name(text: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", text):
        raise argparse.ArgumentTypeError("expected letters, digits, '.', '-' and '_'")
    return text
