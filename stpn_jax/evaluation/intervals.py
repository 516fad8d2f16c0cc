"""Intervals of mean class accuracy: a bootstrap over the test videos of each class.

A resample draws as many videos of a class as it has, with replacement, from that class:
the classes and their sizes are the data set's, the videos stand for others of theirs.
Rows are resampled together, so that the difference of two is paired. Intervals are
those of percentiles (Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

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
