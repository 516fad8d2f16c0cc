"""Intervals against scipy's bootstrap, and against what they promise."""

import numpy as np
import pytest
from scipy import stats

from stpn_jax.evaluation import intervals


def drawn(seed, classes=5, rows=2):
    rng = np.random.default_rng(seed)
    labels = np.sort(
        np.concatenate([np.arange(classes), rng.integers(classes, size=80)])
    )
    rates = rng.uniform(0.4, 0.95, (rows, classes))
    return (rng.random((rows, len(labels))) < rates[:, labels]).astype(float), labels


def scipys(values, labels, resamples=20_000):
    """Each class is a sample of its own for scipy, which resamples them one by one."""
    found = stats.bootstrap(
        [values[labels == label] for label in np.unique(labels)],
        lambda *samples, axis: np.mean([s.mean(axis=axis) for s in samples], axis=0),
        method="percentile",
        confidence_level=intervals.LEVEL,
        n_resamples=resamples,
        rng=np.random.default_rng(7),
    )
    return found.confidence_interval


@pytest.mark.parametrize("seed", [0, 1])
def test_intervals_agree_with_scipy(seed):
    values, labels = drawn(seed)
    pair = np.concatenate([values, values[1:] - values[:1]])
    for one, row in zip(intervals.intervals(pair, labels), pair, strict=True):
        expected = scipys(row, labels)
        width = expected.high - expected.low
        assert one.low == pytest.approx(expected.low, abs=0.04 * width)
        assert one.high == pytest.approx(expected.high, abs=0.04 * width)


def test_the_value_is_mean_class_accuracy():
    values = np.array([[1.0, 1, 1, 0, 0], [0, 0, 0, 1, 0]])
    labels = np.array([0, 0, 0, 4, 4])
    np.testing.assert_allclose(intervals.class_means(values, labels), [0.5, 0.25])
    found = intervals.intervals(values, labels, resamples=100)
    assert [one.value for one in found] == [0.5, 0.25]


def test_rows_share_their_resamples():
    values, labels = drawn(0)
    pair = np.stack([values[0], values[1], values[1] - values[0]])
    one, other, difference = intervals.resample(pair, labels, 3, 700).T
    np.testing.assert_allclose(other - one, difference, atol=1e-12)
    assert difference.std() < np.hypot(one.std(), other.std())


def test_a_seed_gives_the_same_intervals_and_no_error_has_no_width():
    values, labels = drawn(0)
    assert intervals.intervals(values, labels, 1) == intervals.intervals(
        values, labels, 1
    )
    assert intervals.intervals(values, labels, 1) != intervals.intervals(
        values, labels, 2
    )
    (perfect,) = intervals.intervals(np.ones((1, len(labels))), labels)
    assert perfect == (1, 1, 1)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """240 data sets of 60 videos: a binomial with mean 0.95 is below 0.89 in 1 of 1e4.

    The percentile bootstrap is a little too narrow for so few videos.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 20)
    rates = np.array([0.5, 0.7, 0.6])
    values = (rng.random((240, 60)) < rates[labels]).astype(float)
    found = intervals.intervals(values, labels, resamples=2000)
    held = np.mean([one.low <= rates.mean() <= one.high for one in found])
    assert 0.89 < held <= 0.99
