"""Scores and metrics against counting by hand."""

import numpy as np
import pytest

from stpn_jax.evaluation import metrics as scores

CLASSES = ("cat", "dog", "emu")


def test_metrics_of_a_small_case():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.3, 0.1]])
    metrics = scores.compute(
        probabilities, np.array([0, 0, 1]), CLASSES, {"cat": "a", "dog": "b"}
    )
    assert metrics.per_class == {"cat": 0.5, "dog": 0.0}
    assert metrics.mean_class_accuracy == 0.25
    assert metrics.top1 == pytest.approx(1 / 3)
    assert metrics.top5 == 1
    assert metrics.per_group == {"a": 0.5, "b": 0.0}
    assert metrics.confusion == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_padding_is_masked_and_batches_add_up():
    rng = np.random.default_rng(0)
    probabilities = rng.random((8, 3)).astype(np.float32)
    video = np.array([0, 0, 1, 1, 2, 2, -1, -1], np.int32)
    whole, parts = scores.Scores.empty(3, 3), scores.Scores.empty(3, 3)
    whole.add(probabilities, video, video >= 0)
    for at in (slice(0, 3), slice(3, 8)):
        parts.add(probabilities[at], video[at], video[at] >= 0)
    np.testing.assert_allclose(whole.sums, parts.sums)
    assert whole.counts.tolist() == [2, 2, 2]
    expected = probabilities[:6].reshape(3, 2, 3).mean(axis=1)
    np.testing.assert_allclose(whole.probabilities(np.arange(3)), expected, rtol=1e-6)


def test_table_has_a_line_a_row_in_percent():
    metrics = scores.compute(np.eye(3), np.arange(3), CLASSES, {"cat": "a"})
    lines = scores.table({"spatial": metrics}).splitlines()
    assert lines[0] == "| row | mean class accuracy | top-1 | top-5 | a |"
    assert lines[2] == "| spatial | 100.0 | 100.0 | 100.0 | 100.0 |"
