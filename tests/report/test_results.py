"""Sections on accuracy: with groups and without, with classes that have no videos."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.evaluation import metrics as scores
from stpn_jax.report import results
from stpn_jax.report.page import Numbers, Picture


def made(classes, groups=None, videos=40, empty=0, seed=0):
    """Rows of noise that tend to be right, and which videos they have right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(classes) - empty, size=videos)
    rows, right = {}, {}
    for row in ("spatial", "pyramid"):
        probabilities = rng.random((videos, len(classes)))
        probabilities[np.arange(videos), labels] += 0.5
        rows[row] = scores.compute(probabilities, labels, classes, groups or {})
        right[row] = probabilities.argmax(axis=1) == labels
    return rows, right, labels


def of(kind, section):
    return [block for block in section.blocks if isinstance(block, kind)]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("count", [2, 7, 101])
def test_pictures_can_be_read_and_hold_every_class_that_has_videos(count, grouped):
    classes = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    groups = {name: f"group {i % 3}" for i, name in enumerate(classes)}
    rows, right, labels = made(classes, groups if grouped else {}, 500, empty=1)
    section = results.accuracy(rows, right, labels, "spatial")
    pictures = of(Picture, section)
    assert [one.name for one in pictures] == ["groups", "classes"][not grouped :]
    assert len(pictures[-1].numbers.rows) == count - 1
    matrix = results.confusions("pyramid", rows["pyramid"], classes)
    (drawn,) = of(Picture, matrix)
    for one in (*pictures, drawn):
        legible.check(one.figure)
    assert "stay white: 1." in drawn.caption
    assert len(drawn.numbers.rows) == count
    assert any("no groups" in str(block) for block in section.blocks) != grouped


def test_the_table_has_intervals_and_tests():
    rows, right, labels = made(["a", "b", "c"])
    table, tests = of(Numbers, results.accuracy(rows, right, labels, "spatial"))
    name, accuracy, interval, *_ = table.rows[1]
    low, high = map(float, interval.split(" to "))
    assert name == "pyramid" and low < float(accuracy) < high
    (line,) = tests.rows
    assert line[0] == "pyramid" and tests.header[0] == "against spatial"
    assert line[1] == np.sum(right["pyramid"] & ~right["spatial"])


def test_a_single_row_is_tested_against_nothing():
    rows, right, labels = made(["a", "b"])
    alone = {"spatial": rows["spatial"]}
    section = results.accuracy(alone, {"spatial": right["spatial"]}, labels, "")
    assert len(of(Numbers, section)) == 1


def test_the_most_frequent_confusions_come_first():
    counts = [[5, 2, 0], [0, 3, 4], [0, 0, 0]]
    metrics = scores.Metrics(0.5, 0.5, 1.0, {}, {}, counts)
    section = results.confusions("pyramid", metrics, ["a", "b", "c"])
    (table,) = of(Numbers, section)
    assert table.rows == [("b", "c", 4), ("a", "b", 2)]
    perfect = scores.Metrics(1.0, 1.0, 1.0, {}, {}, [[2, 0], [0, 1]])
    section = results.confusions("pyramid", perfect, ["a", "b"])
    assert section.blocks[-1] == "No test video is taken for another."
