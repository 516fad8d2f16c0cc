"""Cells of runs: values, differences to the first run, gaps."""

import numpy as np
import pytest

from stpn_jax.evaluation import intervals


def test_every_row_of_every_run_has_its_cell():
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


def test_a_run_against_itself_does_not_differ():
    right = np.random.default_rng(0).random(30) < 0.5
    labels = np.arange(30) % 3
    one, other = intervals.compare([{"a": right}, {"a": right}], labels)["a"]
    assert one.accuracy == other.accuracy
    assert other.difference == (0, 0, 0) and other.test.p == 1
