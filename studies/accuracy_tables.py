"""Tables of mean class accuracy in markdown: the paper's, a study's, a search's."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Bool, Int

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.utils import markdown
from stpn_jax.utils.errors import UsageError
from studies import seed_bootstrap
from studies.planner import SEARCH_REPEAT
from studies.result_store import Predictions, ResultStore, column
from studies.rows import Repeat, Row, Study, Table

PAPERS_DATASET = "ucf101"
MOST_REPEATS = 100  # looked for in a file of predictions
Correct = Mapping[Repeat, Bool[np.ndarray, "n"]]
"""Seeds of a training -> which videos it classifies correctly."""
Labels = Int[np.ndarray, "n"]


class Result(NamedTuple):
    """What one run of a row of the paper gave.

    Attributes:
        variant: of the row.
        dataset: it was trained and tested on.
        metrics: by name of the result.
    """

    variant: str
    dataset: str
    metrics: Mapping[str, Metrics]


def of_paper(table: Table, results: Sequence[Result]) -> str:
    """A table of the paper with measured and printed numbers side by side, in percent.

    A cell is the mean class accuracy, averaged over the splits that were run; groups of
    classes follow where the data have them and the table has one column. A row that was
    not run, or is not in the paper, has dashes.

    Args:
        table: of the paper.
        results: of its rows, on one data set or several.
    """
    datasets = list(dict.fromkeys(one.dataset for one in results))
    columns = [(d, i) for d in datasets for i in range(len(table.columns))]
    measured = [metrics for one in results for metrics in one.metrics.values()]
    groups = sorted({group for one in measured for group in one.per_group})
    groups = groups if len(columns) == 1 else []
    header = ["row"]
    for dataset, i in columns:
        name = table.columns[i]
        header.append(name if len(datasets) == 1 else f"{name}, {dataset}")
        is_papers = dataset in (table.datasets or (PAPERS_DATASET,))
        header.append("paper" if is_papers else "paper, on UCF101")
    lines = []
    for row in table.rows:
        cells = [row.label]
        for dataset, i in columns:
            found = _metrics(results, row, dataset, i)
            cells.append(_mean([one.mean_class_accuracy for one in found]))
            # A table over data sets has the paper's number for each of them.
            of_set = dataset in table.datasets
            cells.append(
                _number(row.numbers[table.datasets.index(dataset) if of_set else i])
            )
        for group in groups:
            found = _metrics(results, row, *columns[0])
            shares = [one.per_group[group] for one in found if group in one.per_group]
            cells.append(_mean(shares))
        lines.append(cells)
    return markdown.table([*header, *groups], lines)


def _metrics(
    results: Sequence[Result], row: Row, dataset: str, column: int
) -> list[Metrics]:
    """Of a row on a data set, one for each split."""
    name = row.result_names[column]
    of_row = (row.variant, dataset)
    return [r.metrics[name] for r in results if (r.variant, r.dataset) == of_row]


def _mean(shares: Sequence[float]) -> str:
    return f"{100 * sum(shares) / len(shares):.1f}" if shares else "-"


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}"


def of_study(table: Table, predictions: Predictions) -> str:
    """Each row's accuracy, its difference to the reference, its groups, in percent.

    Columns of the paper's numbers are left out where it has none. A row without runs
    has dashes.
    """
    groups = sorted(set(predictions.groups) - {""})
    has_numbers = any(any(row.numbers) for row in table.rows)
    header = ["row"]
    for name in table.columns:
        header += [name, "seeds", *(["paper"] if has_numbers else [])]
    if len(table.rows) > 1:
        header += ["difference", "better in"]
    labels = np.unique(predictions.labels, return_inverse=True)[1]
    lines = []
    for row in table.rows:
        found = [_correct(table, predictions, row, i) for i in range(len(row.results))]
        cells = [row.label]
        for by_repeat, number in zip(found, row.numbers, strict=True):
            cells += _accuracy(by_repeat, labels)
            cells += [_number(number)] if has_numbers else []
        if len(table.rows) > 1:
            reference = table.rows[table.reference]
            base = _correct(table, predictions, reference, 0)
            same = row is reference
            cells += ["", ""] if same else _difference(found[0], base, labels)
        for group in groups:
            inside = np.array(predictions.groups) == group
            means = [
                _class_mean(one[inside], labels[inside]) for one in found[0].values()
            ]
            cells.append(f"{100 * np.mean(means):.0f}" if means else "-")
        lines.append(cells)
    return markdown.table([*header, *groups], lines)


def _correct(table: Table, predictions: Predictions, row: Row, i: int) -> Correct:
    """What the runs of a row that are there classify correctly, in column i."""
    result = row.result_names[i]
    repeats = table.repeats(MOST_REPEATS)
    names = {repeat: column(row.variant, result, repeat) for repeat in repeats}
    return {
        repeat: predictions.correct(name)
        for repeat, name in names.items()
        if name in predictions.predicted
    }


def _class_mean(correct: Bool[np.ndarray, "n"], labels: Labels) -> float:
    return float(intervals.class_means(correct[None].astype(float), labels)[0])


def _accuracy(correct: Correct, labels: Labels) -> list[str]:
    """The mean with its interval, and the accuracy of each training."""
    if not correct:
        return ["-", "-"]
    means = [_class_mean(one, labels) for one in correct.values()]
    value = seed_bootstrap.interval(np.array(list(correct.values()), float), labels)
    return [_percent(value), ", ".join(f"{100 * one:.1f}" for one in means)]


def _difference(correct: Correct, base: Correct, labels: Labels) -> list[str]:
    """The mean difference over trainings that both have; in how many it is above 0."""
    common = [repeat for repeat in correct if repeat in base]
    if not common:
        return ["-", "-"]
    values = np.array([correct[one].astype(float) - base[one] for one in common])
    better = int((intervals.class_means(values, labels) > 0).sum())
    value = seed_bootstrap.interval(values, labels)
    return [_percent(value, "+"), f"{better} of {len(common)}"]


def _percent(value: intervals.Interval, sign: str = "") -> str:
    middle, low, high = (f"{100 * one:{sign}.1f}" for one in value)
    return f"{middle} [{low}, {high}]"


def of_search(study: Study, folder: epath.Path) -> str:
    """Mean class accuracy on the validation part: a line a row, a column a trial.

    Args:
        study: whose rows.
        folder: of the trials' predictions.

    Raises:
        UsageError: a file is not the one written, or trials are of different videos.
    """
    names = sorted(path.name for path in folder.iterdir())
    lines = []
    for key, table in study.tables.items():
        found = {name: ResultStore(folder / name).read(key) for name in names}
        _check_same_videos(folder, key, found)
        for row in table.rows:
            for result in row.result_names:
                scores = [_score(one, row, result) for one in found.values()]
                if any(scores):
                    lines.append([f"{key}: {row.label}", result, *scores])
    return markdown.table(["row", "result", *names], lines)


def _check_same_videos(
    folder: epath.Path, table: str, found: Mapping[str, Predictions | None]
) -> None:
    videos = {name: list(one.videos) for name, one in found.items() if one}
    first = next(iter(videos), "")
    for name in videos:
        if videos[name] != videos[first]:
            raise UsageError(
                f"{folder}: {table}.csv of {first} and of {name} are of different "
                "videos; delete one of the two folders, or choose another --results"
            )


def _score(found: Predictions | None, row: Row, result: str) -> str:
    name = column(row.variant, result, SEARCH_REPEAT)
    if found is None or name not in found.predicted:
        return ""
    labels = np.unique(found.labels, return_inverse=True)[1]
    return f"{100 * _class_mean(found.correct(name), labels):.1f}"
