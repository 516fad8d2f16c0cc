"""Intervals of mean class accuracy over test videos and trainings together.

A resample draws as many trainings as there are, with replacement, and then videos of
each class as evaluation.intervals does: what is left is the mean over the drawn
trainings of their mean class accuracy on the drawn videos.
"""

import numpy as np
from jaxtyping import Float64, Int

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.intervals import Interval

RESAMPLES = 5_000
SEED = 0


def interval(
    values: Float64[np.ndarray, "trainings n"], labels: Int[np.ndarray, "n"]
) -> Interval:
    """The mean over trainings and its interval.

    Args:
        values: of every training and video: 1 where it is correct, or the difference of
            two such for two rows over the same streams.
        labels: class of each video.
    """
    rng = np.random.default_rng(SEED)
    trainings = len(values)
    # Of a resample, how often each training was drawn, as shares.
    drawn = rng.multinomial(trainings, np.full(trainings, 1 / trainings), RESAMPLES)
    by_training = intervals.resample(values, labels, SEED, RESAMPLES)
    means = (drawn / trainings * by_training).sum(axis=1)
    tail = 100 * (1 - intervals.LEVEL) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    value = intervals.class_means(values, labels).mean()
    return Interval(float(value), float(low), float(high))
