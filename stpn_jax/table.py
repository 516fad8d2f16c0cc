"""The door to the paper's tables: `python -m stpn_jax.table 6 --config=FILE ...`.

Runs a table's rows on the data of a config and writes them beside the paper's numbers.
"""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence

import jax
from absl import logging
from etils import epath

from stpn_jax import config_flag
from stpn_jax.config import Config
from stpn_jax.evaluation import paper, tables
from stpn_jax.experiment import run_dir, setup, train
from stpn_jax.utils import compilation_cache, errors
from stpn_jax.utils import files as disk
from stpn_jax.utils.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Run:
    """One row on one split of one data set.

    Attributes:
        row: of the table.
        config: of the run.
        directory: its workdir.
        streams: folder of the single streams that rows share.
    """

    row: paper.Row
    config: Config
    directory: epath.Path
    streams: epath.Path


def main(arguments: Sequence[str]) -> None:
    """Runs what is not finished yet, then writes the table."""
    options, overrides = _parse(arguments)
    table = paper.TABLES[options.table]
    root = epath.Path(options.workdir or f"runs/table{options.table}")
    runs = list(plan(table, options.config, options.splits, overrides, root))
    check(runs, overrides)
    chosen = select(runs, options.rows)
    for run in chosen:
        setup.check_weights(run.config)
    compilation_cache.enable()
    logging.set_verbosity(logging.FATAL)  # What Orbax logs as errors, it raises.
    for index, run in enumerate(chosen, 1):
        print(f"\n== [{index}/{len(chosen)}] {run.row.variant}: {run.directory}")
        with errors.disk_errors(root, "finished rows and checkpoints are kept"):
            opened = setup.open_experiment(run.config, run.directory, "", run.streams)
            train.train(opened)
            text = write(options.table, runs, root)
        jax.clear_caches()
    print(f"\n{text}\nwritten to {root / file_name(options.table)}")


def select(runs: Sequence[Run], names: Sequence[str]) -> Sequence[Run]:
    """The runs of these rows, or all of them.

    Raises:
        UsageError: a name is no row's.
    """
    variants = dict.fromkeys(run.row.variant for run in runs)
    for name in names:
        if name not in variants:
            known = ", ".join(variants)
            raise UsageError(f"--rows: {name!r}: expected some of {known}")
    return [run for run in runs if not names or run.row.variant in names]


def check(runs: Sequence[Run], overrides: Sequence[str]) -> None:
    """Finds what would make a table wrong before its first row starts.

    Raises:
        UsageError: an override is for a stage of no row, a row's config lacks the
            stages of its results, or two runs are one and the same: by an override of
            what a row sets, a config file that leaves the row out of account, or two
            config files with one data set.
    """
    config_flag.check_stages(overrides, (run.config for run in runs))
    seen: dict[object, Run] = {}
    for run in runs:
        name, names = run.row.variant, {stage.name for stage in run.config.stages}
        if missing := set(run.row.stages) - names:
            raise UsageError(
                f"{name}: its config has no stage {', '.join(sorted(missing))}; does "
                "get_config hand the variant on, as configs/demo.py does?"
            )
        for key in (run.config, run.directory):
            if key in seen:
                other = seen[key].row.variant
                raise UsageError(
                    f"{name} and {other} are the same run: an override, or a config "
                    "file that ignores its variant, undoes what rows set, "
                    "or two config files have one data set and want two --workdir"
                )
            seen[key] = run


def plan(
    table: paper.Table,
    files: Sequence[str],
    splits: Sequence[int],
    overrides: Sequence[str],
    root: epath.Path,
) -> Iterator[Run]:
    """The runs of a table, row by row, for each config file and each split.

    Args:
        table: what to run.
        files: FILE or FILE:VARIANT of each data set.
        splits: official splits, or empty for the table's.
        overrides: --config.A.B=VALUE, where a row has that field's stage.
        root: folder of the table.

    Raises:
        UsageError: a config cannot be read.
    """
    for row in table.rows:
        for file in files:
            config = config_flag.load_fitting(
                f"{file}{',' if ':' in file else ':'}{row.variant}", overrides
            )
            for split in splits or default_splits(table, config):
                data = dataclasses.replace(config.data, split=split)
                folder = root / f"{data.dataset}-split{split}"
                yield Run(
                    row,
                    dataclasses.replace(config, data=data),
                    folder / row.variant,
                    folder / f"streams-{config.model.backbone}",
                )


def default_splits(table: paper.Table, config: Config) -> Sequence[int]:
    """The official splits of the table; folders of videos have but one."""
    if config.data.dataset == "folder" or not table.splits:
        return (config.data.split,)
    return table.splits


def write(name: str, runs: Sequence[Run], root: epath.Path) -> str:
    """Writes tableN.md from the results of finished runs, and returns its text."""
    found = [
        tables.Run(
            run.row.variant,
            run.config.data.dataset,
            run_dir.read_results(run.directory),
        )
        for run in runs
        if (run.directory / run_dir.RESULTS_JSON).exists()
    ]
    table = paper.TABLES[name]
    text = f"Table {name}: {table.title}\n\n{tables.comparison(table, found)}"
    disk.write_whole(root / file_name(name), text)
    return text


def file_name(table: str) -> str:
    """Of a table's markdown, in the folder of its runs."""
    return f"table{table}.md"


def _numbers(text: str) -> list[int]:
    names = text.split(",")
    if not all(name.isdecimal() and int(name) for name in names):
        raise argparse.ArgumentTypeError(f"expected 1,2,3 or some, found {text!r}")
    return list(map(int, names))


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Options, and the overrides of config fields.

    Raises:
        UsageError: an argument is none of these, or a stage is in no row.
    """
    parser = errors.Parser(prog="python -m stpn_jax.table", description=__doc__)
    parser.add_argument("table", choices=list(paper.TABLES))
    parser.add_argument(
        "--config",
        action="append",
        required=True,
        metavar="FILE[:VARIANT]",
        help="config of the data; again for a second data set (table 7)",
    )
    parser.add_argument("--workdir", help="folder of the runs [runs/tableN]")
    parser.add_argument(
        "--rows",
        type=lambda text: text.split(","),
        default=[],
        help="only these variants, with commas",
    )
    parser.add_argument(
        "--splits",
        type=_numbers,
        default=[],
        help="official splits, with commas [the config's; table 7: 1,2,3]",
    )
    return config_flag.parse_with_overrides(parser, arguments)


if __name__ == "__main__":
    errors.run(lambda: main(sys.argv[1:]))
