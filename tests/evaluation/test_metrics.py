"""Metrics against counting by hand, and the table of results."""

import numpy as np
import pytest

from stpn_jax.evaluation import metrics

CLASSES = ("cat", "dog", "emu")


def test_metrics_of_a_small_case():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.3, 0.1]])
    found = metrics.compute(
        probabilities, np.array([0, 0, 1]), CLASSES, {"cat": "a", "dog": "b"}
    )
    assert found.per_class == {"cat": 0.5, "dog": 0.0}
    assert found.mean_class_accuracy == 0.25
    assert found.top1 == pytest.approx(1 / 3)
    assert found.top5 == 1
    assert found.per_group == {"a": 0.5, "b": 0.0}
    assert found.confusion == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_results_table_is_in_percent():
    found = metrics.compute(np.eye(3), np.arange(3), CLASSES, {"cat": "a"})
    lines = metrics.results_table({"spatial": found}).splitlines()
    assert lines[0] == "| row | mean class accuracy | top-1 | top-5 | a |"
    assert lines[2] == "| spatial | 100.0 | 100.0 | 100.0 | 100.0 |"
