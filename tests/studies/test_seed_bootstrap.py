"""Intervals over seeds and videos against a bootstrap written out one by one."""

import numpy as np
import pytest

from studies import accuracy_tables

LABELS = np.repeat([0, 1, 2], [5, 9, 20])
ALONE = accuracy_tables.Clips(LABELS, [str(i) for i in range(len(LABELS))])


def sampled(trainings=4, seed=0):
    rng = np.random.default_rng(seed)
    levels = np.linspace(0.4, 0.8, trainings)
    return rng.random((trainings, len(LABELS))) < levels[:, None]


def one_by_one(values, resamples=4000):
    """Samples trainings, then videos of each class; the mean of class means of each."""
    rng = np.random.default_rng(5)
    means = []
    for _ in range(resamples):
        videos = np.concatenate(
            [
                rng.choice(np.flatnonzero(c == LABELS), (c == LABELS).sum())
                for c in range(3)
            ]
        )
        chosen = values[rng.integers(len(values), size=len(values))][:, videos]
        labels = LABELS[videos]
        means.append(
            np.mean([chosen[:, labels == c].mean(axis=1) for c in range(3)], 0).mean()
        )
    return np.percentile(means, [2.5, 97.5])


@pytest.mark.parametrize("trainings", [1, 4])
def test_interval_agrees_with_resamples_one_by_one(trainings):
    right = sampled(trainings).astype(float)
    found = accuracy_tables.interval(right, ALONE)
    by_class = [right[:, c == LABELS].mean(axis=1) for c in range(3)]
    assert found.value == pytest.approx(np.mean(by_class, axis=0).mean())
    np.testing.assert_allclose([found.low, found.high], one_by_one(right), atol=0.015)


def test_a_difference_is_paired_by_training():
    """Trainings far apart, one variant a little better in each: a narrow interval."""
    base = sampled()
    better = base.copy()
    better[:, [1, 8, 20, 30]] = True
    paired = accuracy_tables.interval(better.astype(float) - base, ALONE)
    wide = accuracy_tables.interval(better.astype(float), ALONE)
    assert paired.low >= 0
    assert wide.high - wide.low > 1.5 * (paired.high - paired.low)
    assert tuple(accuracy_tables.interval(base - base.astype(float), ALONE)) == (
        0,
        0,
        0,
    )


def test_clips_of_a_recording_are_resampled_together():
    """Recordings that are right as a whole are as uncertain as single clips."""
    fourfold = accuracy_tables.Clips(
        LABELS.repeat(4), [*np.array(ALONE.sources).repeat(4)]
    )
    right = sampled().astype(float)
    found = accuracy_tables.interval(right.repeat(4, axis=1), fourfold)
    np.testing.assert_allclose(found, accuracy_tables.interval(right, ALONE))
