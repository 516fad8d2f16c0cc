"""Intervals of mean class accuracy: a bootstrap over the test videos of each class.

A resample draws as many videos of a class as it has, with replacement, from that class:
the classes and their sizes are the data set's, the videos stand for others of theirs.
Rows are resampled together, so that the difference of two is paired. Intervals are
those of percentiles (Efron and Tibshirani 1993, chapter 13).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

LEVEL = 0.95
RESAMPLES = 10_000
_TOGETHER = 500  # resamples: bounds the memory that one class takes


class Interval(NamedTuple):
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


def class_means(
    values: Float[np.ndarray, "rows n"], labels: Int[np.ndarray, "n"]
) -> Float64[np.ndarray, "rows"]:
    """Mean over the classes of the mean over a class's videos."""
    parts = [part.mean(axis=1) for part in _by_class(values, labels)]
    return np.asarray(np.mean(parts, axis=0, dtype=np.float64))


def intervals(
    values: Float[np.ndarray, "rows n"],
    labels: Int[np.ndarray, "n"],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Interval]:
    """The interval of every row's mean over classes.

    Args:
        values: of each video: 1 where a row is right, or the difference of two such.
        labels: class of each video.
        seed: draws the resamples.
        resamples: how many.
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
) -> Float64[np.ndarray, "resamples rows"]:
    """Means over classes in every resample, which is the same for all rows."""
    rng = np.random.default_rng(seed)
    total = np.zeros((resamples, len(values)))
    parts = list(_by_class(values, labels))
    for part in parts:
        for start in range(0, resamples, _TOGETHER):
            count = min(_TOGETHER, resamples - start)
            drawn = rng.integers(part.shape[1], size=(count, part.shape[1]))
            total[start : start + count] += part[:, drawn].mean(axis=-1).T
    return total / len(parts)


def _by_class(
    values: Float[np.ndarray, "rows n"], labels: Int[np.ndarray, "n"]
) -> Iterator[Float[np.ndarray, "rows _"]]:
    for label in np.unique(labels):
        yield values[:, labels == label]


Right = Mapping[str, Bool[np.ndarray, "n"]]
"""Row -> which test videos it has right."""


class Paired(NamedTuple):
    """McNemar's test.

    Attributes:
        only_first: videos that the first row alone has right.
        only_second: videos that the second row alone has right.
        p: chance of so uneven a pair, or a more uneven one, if neither were better.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Bool[np.ndarray, "n"], second: Bool[np.ndarray, "n"]) -> Paired:
    """Exact two-sided McNemar test: the sign test over the videos that tell them apart.

    p = min(1, 2 sum_{i <= min(b, c)} C(b + c, i) / 2^(b + c)), where b and c videos are
    right in one row alone (McNemar 1947).

    Args:
        first: which videos a row has right.
        second: the same of another row.
    """
    b, c = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    tail = sum(math.comb(b + c, i) for i in range(min(b, c) + 1))
    return Paired(b, c, min(1.0, 2 * tail / 2 ** (b + c)))


class Cell(NamedTuple):
    """A row of a run.

    Attributes:
        accuracy: mean class accuracy.
        difference: to the same row of the first run; None without one.
        test: the first run's row against this one; None without one.
    """

    accuracy: Interval
    difference: Interval | None
    test: Paired | None


def compare(
    runs: Sequence[Right], labels: Int[np.ndarray, "n"], seed: int = 0
) -> dict[str, list[Cell | None]]:
    """The cells of every row by run, None where a run has no such row.

    Args:
        runs: the first is what the others are compared with.
        labels: classes of the test videos.
        seed: of the bootstrap.
    """
    rows = list(dict.fromkeys(row for run in runs for row in run))
    places = [(row, i) for row in rows for i, run in enumerate(runs) if row in run]
    pairs = [(row, i) for row, i in places if i and row in runs[0]]
    values = [runs[i][row].astype(float) for row, i in places]
    values += [runs[i][row].astype(float) - runs[0][row] for row, i in pairs]
    found = intervals(np.stack(values), labels, seed)
    accuracies = dict(zip(places, found, strict=False))
    differences = dict(zip(pairs, found[len(places) :], strict=True))

    def cell(row: str, run: int) -> Cell | None:
        if (row, run) not in accuracies:
            return None
        place = row, run
        is_pair = place in differences
        test = mcnemar(runs[0][row], runs[run][row]) if is_pair else None
        return Cell(accuracies[place], differences.get(place), test)

    return {row: [cell(row, i) for i in range(len(runs))] for row in rows}
