"""Tables of mean class accuracy in markdown: the paper's, a study's, a search's."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Bool, Float64, Int

from stpn_jax.datasets import official_splits
from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.intervals import Interval
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.utils import markdown
from stpn_jax.utils.errors import UsageError
from studies.result_store import Predictions, ResultStore, column
from studies.rows import SEARCH_REPEAT, Repeat, Row, Study, Table

PAPERS_DATASET = "ucf101"
MOST_REPEATS = 100  # looked for in a file of predictions
RESAMPLES, SEED = 5_000, 0  # of the bootstrap
Correct = Mapping[Repeat, Bool[np.ndarray, "n"]]
"""Seeds of a training -> which videos it classifies correctly."""
Labels = Int[np.ndarray, "n"]
Result = tuple[str, str, Mapping[str, Metrics]]
"""Of a run: variant of its row, data set, metrics by the name of the result."""


def of_paper(table: Table, results: Sequence[Result]) -> str:
    """A table of the paper with measured and printed numbers side by side, in percent.

    A cell is the mean class accuracy, averaged over the splits that were run; groups of
    classes follow where the data have them and the table has one column. What was
    not run, or is not in the paper, has dashes.
    """
    found: defaultdict[tuple[str, str, str], list[Metrics]] = defaultdict(list)
    for variant, dataset, metrics in results:
        for name, one in metrics.items():
            found[variant, dataset, name].append(one)
    datasets = list(dict.fromkeys(dataset for _, dataset, _ in results))
    columns = [(d, i) for d in datasets for i in range(len(table.columns))]
    header = ["row"]
    for dataset, i in columns:
        name = table.columns[i]
        header.append(name if len(datasets) == 1 else f"{name}, {dataset}")
        is_papers = dataset in (table.datasets or (PAPERS_DATASET,))
        header.append("paper" if is_papers else "paper, on UCF101")
    measured = [one for of_result in found.values() for one in of_result]
    groups = sorted({group for one in measured for group in one.per_group})
    groups = groups if len(columns) == 1 else []
    lines = []
    for row in table.rows:
        cells = [row.label]
        for dataset, i in columns:
            of_cell = found[row.variant, dataset, row.result_names[i]]
            # A table over data sets has the paper's number for each of them.
            of_set = dataset in table.datasets
            number = row.numbers[table.datasets.index(dataset) if of_set else i]
            mean = _mean(one.mean_class_accuracy for one in of_cell)
            cells += [mean, _number(number)]
        for group in groups:
            shares = (one.per_group for one in of_cell)
            cells.append(_mean(one[group] for one in shares if group in one))
        lines.append(cells)
    return markdown.table([*header, *groups], lines)


def _mean(shares: Iterable[float], digits: int = 1) -> str:
    values = list(shares)
    return f"{100 * sum(values) / len(values):.{digits}f}" if values else "-"


def _number(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}"


def of_study(
    table: Table, predictions: Predictions, minutes: Mapping[str, float] | None = None
) -> str:
    """Accuracy of each variant, difference to the reference, groups, in percent.

    Columns of the paper's numbers are left out where it has none. A variant without
    runs has dashes. `minutes`, by the column of a run, become a column of their means.
    """
    groups = sorted(set(predictions.groups) - {""})
    has_numbers = any(any(row.numbers) for row in table.rows)
    header = ["variant"]
    for name in table.columns:
        header += [name, "seeds", *(["paper"] if has_numbers else [])]
    if len(table.rows) > 1:
        header += ["difference", "better in"]
    if minutes:
        header += ["CPU minutes"]
    clips = Clips.of(predictions)
    reference = table.rows[table.reference]
    base = correct(table, predictions, reference)
    lines = []
    for row in table.rows:
        found = [correct(table, predictions, row, i) for i in range(len(row.results))]
        cells = [row.label]
        for by_repeat, number in zip(found, row.numbers, strict=True):
            cells += accuracy(by_repeat, clips)
            cells += [_number(number)] if has_numbers else []
        if len(table.rows) > 1:
            same = row is reference
            cells += ["", ""] if same else difference(found[0], base, clips)
        if minutes:
            names = (column(row.variant, row.result_names[0], one) for one in found[0])
            taken = [minutes[name] for name in names]
            cells.append(f"{sum(taken) / len(taken):.1f}" if taken else "-")
        for group in groups:
            inside = np.array(predictions.groups) == group
            right = (one[inside] for one in found[0].values())
            own = clips.labels[inside]
            cells.append(_mean((_class_mean(x, own) for x in right), 0))
        lines.append(cells)
    return markdown.table([*header, *map(_short, groups)], lines)


def _short(group: str) -> str:
    """A group without the letter before it: `c_long_range` is long range."""
    return re.sub(r"^[a-z]_", "", group).replace("_", " ")


class Clips(NamedTuple):
    """The classes of the videos as numbers, and the recordings they were cut from."""

    labels: Labels
    sources: Sequence[str]

    @classmethod
    def of(cls, predictions: Predictions) -> "Clips":
        names = zip(predictions.videos, predictions.labels, strict=True)
        sources = [official_splits.source_of(*one) for one in names]
        return cls(np.unique(predictions.labels, return_inverse=True)[1], sources)


def correct(table: Table, predictions: Predictions, row: Row, i: int = 0) -> Correct:
    """What the runs of a variant that are there classify correctly, in column i."""
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


def accuracy(right: Correct, clips: Clips) -> list[str]:
    """The mean with its interval, and the accuracy of each training."""
    if not right:
        return ["-", "-"]
    means = [_class_mean(one, clips.labels) for one in right.values()]
    value = interval(np.array(list(right.values()), float), clips)
    return [_percent(value), ", ".join(f"{100 * one:.1f}" for one in means)]


def difference(right: Correct, base: Correct, clips: Clips) -> list[str]:
    """The mean difference over trainings that both have; in how many it is above 0."""
    common = [repeat for repeat in right if repeat in base]
    if not common:
        return ["-", "-"]
    values = np.array([right[one].astype(float) - base[one] for one in common])
    better = int((intervals.class_means(values, clips.labels) > 0).sum())
    return [_percent(interval(values, clips), "+"), f"{better} of {len(common)}"]


def _percent(value: Interval, sign: str = "") -> str:
    middle, low, high = (f"{100 * one:{sign}.1f}" for one in value)
    return f"{middle} [{low}, {high}]"


def interval(values: Float64[np.ndarray, "trainings n"], clips: Clips) -> Interval:
    """The mean class accuracy over trainings, and its interval over them and sources.

    A resample has as many trainings as there are, with replacement, and then sources
    of each class as evaluation.intervals does. Values are 1 where a video is correct,
    or the differences of two such for two variants over the same streams.
    """
    trainings = len(values)
    # Of a resample, how often each training was sampled, as shares.
    sampled = np.random.default_rng(SEED).multinomial(
        trainings, np.full(trainings, 1 / trainings), RESAMPLES
    )
    by_training = intervals.resample(
        values, clips.labels, SEED, RESAMPLES, clips.sources
    )
    means = (sampled / trainings * by_training).sum(axis=1)
    tail = 100 * (1 - intervals.LEVEL) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    value = intervals.class_means(values, clips.labels).mean()
    return Interval(float(value), float(low), float(high))


def of_search(study: Study, folder: epath.Path) -> str:
    """Mean class accuracy on validation videos: a line a variant, a column a run.

    Raises UsageError if runs, whose predictions are in `folder`, have other videos.
    """
    names = sorted(path.name for path in folder.iterdir())
    lines = []
    for key, table in study.tables.items():
        found = [ResultStore(folder / name).read(key) for name in names]
        if len({tuple(one.videos) for one in found if one}) > 1:
            raise UsageError(
                f"{folder}: the files {key}.csv in its folders {', '.join(names)} are "
                "of different videos; delete some, or choose another --results"
            )
        for row in table.rows:
            for result in row.result_names:
                name = column(row.variant, result, SEARCH_REPEAT)
                scores = [_score(one, name) for one in found]
                if any(scores):
                    lines.append([f"{key}: {row.label}", result, *scores])
    return markdown.table(["variant", "result", *names], lines)


def _score(found: Predictions | None, name: str) -> str:
    if found is None or name not in found.predicted:
        return ""
    return f"{100 * _class_mean(found.correct(name), Clips.of(found).labels):.1f}"
