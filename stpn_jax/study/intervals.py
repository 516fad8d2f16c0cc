"""Accuracy of several trainings: intervals over test videos and over seeds together.

A resample draws as many trainings as there are, with replacement, and then videos of
each class as evaluation.bootstrap does: what is left is the mean over the drawn
trainings of their mean class accuracy on the drawn videos. Two rows are compared on the
same trainings (they share streams and data order) and the same videos.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.intervals import Interval

RESAMPLES = 5_000


class Compared(NamedTuple):
    """A row beside the reference.

    Attributes:
        difference: of the means.
        better: trainings in which the row is better.
        trainings: how many there are.
    """

    difference: Interval
    better: int
    trainings: int


def accuracies(
    right: Bool[np.ndarray, "seeds n"], labels: Int[np.ndarray, "n"]
) -> Float64[np.ndarray, "seeds"]:
    """Mean class accuracy of every training."""
    return intervals.class_means(right.astype(float), labels)


def interval(
    values: Float64[np.ndarray, "seeds n"],
    labels: Int[np.ndarray, "n"],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """The mean over trainings and its interval.

    Args:
        values: of every training and video: 1 where it is right, or the difference of
            two such.
        labels: class of each video.
        seed: draws the resamples.
        resamples: how many.
    """
    rng = np.random.default_rng(seed)
    trainings = len(values)
    # Of a resample, how often each training was drawn, as shares.
    drawn = rng.multinomial(trainings, np.full(trainings, 1 / trainings), resamples)
    by_seed = intervals.resample(values, labels, seed, resamples)
    means = (drawn / trainings * by_seed).sum(axis=1)
    tail = 100 * (1 - intervals.LEVEL) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    value = intervals.class_means(values, labels).mean()
    return Interval(float(value), float(low), float(high))


def compare(
    right: Bool[np.ndarray, "seeds n"],
    reference: Bool[np.ndarray, "seeds n"],
    labels: Int[np.ndarray, "n"],
) -> Compared:
    """A row beside the reference, training by training."""
    difference = right.astype(float) - reference.astype(float)
    by_seed = intervals.class_means(difference, labels)
    return Compared(
        interval(difference, labels), int((by_seed > 0).sum()), len(by_seed)
    )
