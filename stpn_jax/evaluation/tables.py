"""Results as markdown."""

import dataclasses
from collections.abc import Mapping, Sequence

from stpn_jax.evaluation import paper
from stpn_jax.evaluation.metrics import Metrics

PAPERS_DATASET = "ucf101"


@dataclasses.dataclass(frozen=True)
class Run:
    """What one run of a table's row gave.

    Attributes:
        variant: of the row.
        dataset: it was trained and tested on.
        results: metrics by row of its results.
    """

    variant: str
    dataset: str
    results: Mapping[str, Metrics]


def results(rows: dict[str, Metrics]) -> str:
    """A line a row: mean class accuracy, top-1, top-5, the groups, in percent."""
    groups = sorted({group for row in rows.values() for group in row.per_group})
    header = ["row", "mean class accuracy", "top-1", "top-5", *groups]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name, row in rows.items():
        values = [row.mean_class_accuracy, row.top1, row.top5]
        values += [row.per_group[group] for group in groups]
        lines.append([name, *(f"{100 * value:.1f}" for value in values)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def comparison(table: paper.Table, runs: Sequence[Run]) -> str:
    """A table of the paper with measured and printed numbers side by side, in percent.

    A cell is the mean class accuracy, averaged over the splits that were run; groups of
    classes follow where the data have them and the table has one column. A row that was
    not run, or is not in the paper, has dashes.

    Args:
        table: of the paper.
        runs: of its rows, on one data set or several.
    """
    datasets = list(dict.fromkeys(run.dataset for run in runs))
    columns = [(d, i) for d in datasets for i in range(len(table.columns))]
    groups = _groups(runs) if len(columns) == 1 else []
    header = ["row"]
    for dataset, column in columns:
        name = table.columns[column]
        header.append(name if len(datasets) == 1 else f"{name}, {dataset}")
        is_papers = dataset in (table.datasets or (PAPERS_DATASET,))
        header.append("paper" if is_papers else "paper, on UCF101")
    lines = [[*header, *groups], ["---"] + ["---:"] * (len(header) + len(groups) - 1)]
    for row in table.rows:
        cells = [row.label]
        for dataset, column in columns:
            found = _metrics(runs, row, dataset, column)
            cells.append(_percent([one.mean_class_accuracy for one in found]))
            cells.append(_printed(table, row, dataset, column))
        cells += [
            _percent([one.per_group[group] for one in found if group in one.per_group])
            for group in groups
        ]
        lines.append(cells)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _metrics(
    runs: Sequence[Run], row: paper.Row, dataset: str, column: int
) -> list[Metrics]:
    """Of a row on a data set, one for each split."""
    return [
        run.results[row.results[column]]
        for run in runs
        if (run.variant, run.dataset) == (row.variant, dataset)
    ]


def _groups(runs: Sequence[Run]) -> list[str]:
    rows = (metrics for run in runs for metrics in run.results.values())
    return sorted({group for metrics in rows for group in metrics.per_group})


def _printed(table: paper.Table, row: paper.Row, dataset: str, column: int) -> str:
    """The paper's number: by data set where its table has several, else by column."""
    if dataset in table.datasets:
        column = table.datasets.index(dataset)
    number = row.numbers[column]
    return "-" if number is None else f"{number:.1f}"


def _percent(shares: Sequence[float]) -> str:
    return f"{100 * sum(shares) / len(shares):.1f}" if shares else "-"
