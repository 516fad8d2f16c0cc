"""Bootstrap intervals, McNemar's test and comparison, against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from stpn_jax.evaluation import intervals


def made(seed, classes=5, rows=2):
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
    values, labels = made(seed)
    pair = np.concatenate([values, values[1:] - values[:1]])
    for one, row in zip(intervals.intervals(pair, labels), pair, strict=True):
        expected = scipys(row, labels)
        width = expected.high - expected.low
        assert one.low == pytest.approx(expected.low, abs=0.04 * width)
        assert one.high == pytest.approx(expected.high, abs=0.04 * width)


def test_value_is_mean_class_accuracy():
    values = np.array([[1.0, 1, 1, 0, 0], [0, 0, 0, 1, 0]])
    labels = np.array([0, 0, 0, 4, 4])
    np.testing.assert_allclose(intervals.class_means(values, labels), [0.5, 0.25])
    found = intervals.intervals(values, labels, resamples=100)
    assert [one.value for one in found] == [0.5, 0.25]


def test_rows_share_their_resamples():
    values, labels = made(0)
    pair = np.stack([values[0], values[1], values[1] - values[0]])
    one, other, difference = intervals.resample(pair, labels, 3, 700).T
    np.testing.assert_allclose(other - one, difference, atol=1e-12)
    assert difference.std() < np.hypot(one.std(), other.std())


def test_a_source_of_several_videos_counts_by_its_size():
    """By hand: two sources, one of three videos that are right, one of a wrong one."""
    values, labels = np.array([[1.0, 1, 1, 0]]), np.zeros(4, int)
    means = intervals.resample(values, labels, 0, 400, ["a", "a", "a", "b"])
    found, counts = np.unique(means, return_counts=True)
    np.testing.assert_allclose(found, [0, 0.75, 1])
    np.testing.assert_allclose(counts / 400, [0.25, 0.5, 0.25], atol=0.08)


def test_a_seed_gives_the_same_intervals_and_no_error_has_no_width():
    values, labels = made(0)
    assert intervals.intervals(values, labels, 1) == intervals.intervals(
        values, labels, 1
    )
    assert intervals.intervals(values, labels, 1) != intervals.intervals(
        values, labels, 2
    )
    (perfect,) = intervals.intervals(np.ones((1, len(labels))), labels)
    assert perfect == (1, 1, 1)


def test_coverage_is_close_to_the_level():
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


@pytest.mark.parametrize(
    ("first", "second"), [(0, 1), (3, 9), (9, 3), (5, 5), (0, 57), (400, 520)]
)
def test_mcnemar_is_the_sign_test(first, second):
    one = np.repeat([True, False, True, False], [first, second, 4, 2])
    other = np.repeat([False, True, True, False], [first, second, 4, 2])
    found = intervals.mcnemar(one, other)
    assert (found.only_first, found.only_second) == (first, second)
    tail = sum(math.comb(first + second, i) for i in range(min(first, second) + 1))
    expected = min(1.0, 2 * tail / 2 ** (first + second))
    assert found.p == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_equal_rows():
    right = np.array([True, False])
    assert intervals.mcnemar(right, right) == (0, 0, 1.0)


def test_compare_has_a_cell_for_every_row_of_every_run():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=60)
    right = rng.random((3, 60)) < 0.6
    runs = [{"a": right[0], "b": right[1]}, {"b": right[2]}, {"c": right[0]}]
    rows = intervals.compare(runs, labels)
    assert list(rows) == ["a", "b", "c"]
    assert rows["a"][1] is None and rows["c"][:2] == [None, None]
    first, second, missing = rows["b"]
    assert missing is None and first.difference is None and first.test is None
    values = right.astype(float)
    means = intervals.class_means(values, labels)
    assert first.accuracy.value == pytest.approx(means[1])
    assert second.accuracy.value == pytest.approx(means[2])
    assert second.difference.value == pytest.approx(means[2] - means[1])
    assert second.difference.low < second.difference.value < second.difference.high
    assert second.test == intervals.mcnemar(right[1], right[2])
    # No row of the first run is named c, so there is nothing to differ from.
    assert rows["c"][2].difference is None and rows["c"][2].test is None


def test_compare_of_equal_runs():
    right = np.random.default_rng(0).random(30) < 0.5
    labels = np.arange(30) % 3
    one, other = intervals.compare([{"a": right}, {"a": right}], labels)["a"]
    assert one.accuracy == other.accuracy
    assert other.difference == (0, 0, 0) and other.test.p == 1
