"""Mean class accuracy with bootstrap intervals, and paired comparison of runs.

A bootstrap resample takes as many sources of a class as it has, with replacement, from
that class, each with all its videos: clips of one recording are near copies. Where no
sources are known, each video is its own.
All rows share their resamples, so that the difference of two is paired. Intervals are
percentile intervals (Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

LEVEL = 0.95
RESAMPLES = 10_000
_CHUNK = 500  # resamples at a time: bounds the memory that one class takes


class Interval(NamedTuple):
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


def class_means(
    values: Float[np.ndarray, "rows n"], labels: Int[np.ndarray, "n"]
) -> Float64[np.ndarray, "rows"]:
    """Mean over the classes of the mean over a class's videos."""
    by_class = [values[:, labels == label].mean(axis=1) for label in np.unique(labels)]
    return np.asarray(np.mean(by_class, axis=0, dtype=np.float64))


def intervals(
    values: Float[np.ndarray, "rows n"],
    labels: Int[np.ndarray, "n"],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Interval]:
    """The interval of the class mean of every row.

    A value is 1 where a prediction is right, or the difference of two such values.
    """
    means = resample(values, labels, seed, resamples)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, (tail, 100 - tail), axis=0)
    ends = zip(class_means(values, labels), low, high, strict=True)
    return [Interval(*map(float, one)) for one in ends]


def resample(
    values: Float[np.ndarray, "rows n"],
    labels: Int[np.ndarray, "n"],
    seed: int,
    resamples: int,
    sources: Sequence[str] | None = None,
) -> Float64[np.ndarray, "resamples rows"]:
    """Class means in every resample; all rows share the resampled sources."""
    rng = np.random.default_rng(seed)
    total = np.zeros((resamples, len(values)))
    names = np.arange(len(labels)) if sources is None else np.array(sources)
    classes = np.unique(labels)
    for label in classes:
        inside = labels == label
        of_class, places = np.unique(names[inside], return_inverse=True)
        number = len(of_class)
        sizes = np.bincount(places)
        sums = np.stack([np.bincount(places, row) for row in values[:, inside]])
        for start in range(0, resamples, _CHUNK):
            sampled = rng.integers(
                number, size=(min(_CHUNK, resamples - start), number)
            )
            means = sums[:, sampled].sum(axis=-1) / sizes[sampled].sum(axis=-1)
            total[start : start + len(sampled)] += means.T
    return total / len(classes)


class Paired(NamedTuple):
    """McNemar's test.

    Attributes:
        only_first: videos that the first network alone has right.
        only_second: videos that the second network alone has right.
        p: of the null hypothesis that both are equally accurate.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Bool[np.ndarray, "n"], second: Bool[np.ndarray, "n"]) -> Paired:
    """Exact two-sided McNemar test: a sign test over the videos that one has right."""
    from scipy import stats  # Slow to import.

    b, c = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    return Paired(b, c, float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0)


class Cell(NamedTuple):
    """A network's result in one of several runs.

    Attributes:
        accuracy: mean class accuracy.
        difference: to that of the first run; None without one.
        test: the first run's against this one; None without one.
    """

    accuracy: Interval
    difference: Interval | None
    test: Paired | None


def compare(
    runs: Sequence[Mapping[str, Bool[np.ndarray, "n"]]],
    labels: Int[np.ndarray, "n"],
    seed: int = 0,
) -> dict[str, list[Cell | None]]:
    """The cells of every row by run, None where a run has no such row.

    Runs hold by row which test videos are right; the first one is the reference.
    """
    names = list(dict.fromkeys(row for run in runs for row in run))
    places = [(row, i) for row in names for i, run in enumerate(runs) if row in run]
    pairs = [(row, i) for row, i in places if i and row in runs[0]]
    values = [runs[i][row].astype(float) for row, i in places]
    values += [runs[i][row].astype(float) - runs[0][row] for row, i in pairs]
    found = intervals(np.stack(values), labels, seed)
    differences = dict(zip(pairs, found[len(places) :], strict=True))
    cells: dict[str, list[Cell | None]] = {row: [None] * len(runs) for row in names}
    for (row, i), accuracy in zip(places, found, strict=False):
        difference = differences.get((row, i))
        test = mcnemar(runs[0][row], runs[i][row]) if difference else None
        cells[row][i] = Cell(accuracy, difference, test)
    return cells
