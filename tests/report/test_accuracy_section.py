"""Accuracy section, with groups and without, with classes that have no videos."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.evaluation import metrics
from stpn_jax.report import accuracy_section, error_section
from stpn_jax.report.page import Numbers, Picture


def made(classes, groups=None, videos=40, empty=0, seed=0):
    """Random rows that tend to be right, and which videos they have right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(classes) - empty, size=videos)
    rows, right = {}, {}
    for row in ("spatial", "pyramid"):
        probabilities = rng.random((videos, len(classes)))
        probabilities[np.arange(videos), labels] += 0.5
        rows[row] = metrics.compute(probabilities, labels, classes, groups or {})
        right[row] = probabilities.argmax(axis=1) == labels
    return rows, right, labels


def of(kind, section):
    return [block for block in section.blocks if isinstance(block, kind)]


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("count", [2, 7, 101])
def test_pictures_are_legible_and_have_every_class_with_videos(count, grouped):
    classes = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    groups = {name: f"group {i % 3}" for i, name in enumerate(classes)}
    rows, right, labels = made(classes, groups if grouped else {}, 500, empty=1)
    section = accuracy_section.accuracy(rows, right, labels, "spatial")
    pictures = of(Picture, section)
    assert [one.name for one in pictures] == ["groups", "classes"][not grouped :]
    assert len(pictures[-1].numbers.rows) == count - 1
    matrix = error_section.confusions(
        "pyramid", np.array(rows["pyramid"].confusion), classes
    )
    (drawn,) = of(Picture, matrix)
    for one in (*pictures, drawn):
        legible.check(one.figure)
    assert "stay white: 1." in drawn.caption
    assert len(drawn.numbers.rows) == count
    assert any("no groups" in str(block) for block in section.blocks) != grouped


def test_the_table_has_intervals_and_tests():
    rows, right, labels = made(["a", "b", "c"])
    table, tests = of(
        Numbers, accuracy_section.accuracy(rows, right, labels, "spatial")
    )
    name, accuracy, interval, *_ = table.rows[1]
    low, high = map(float, interval.split(" to "))
    assert name == "pyramid" and low < float(accuracy) < high
    (line,) = tests.rows
    assert line[0] == "pyramid" and tests.header[0] == "against spatial"
    assert line[1] == np.sum(right["pyramid"] & ~right["spatial"])


def test_a_single_row_has_no_test():
    rows, right, labels = made(["a", "b"])
    alone = {"spatial": rows["spatial"]}
    section = accuracy_section.accuracy(
        alone, {"spatial": right["spatial"]}, labels, ""
    )
    assert len(of(Numbers, section)) == 1
