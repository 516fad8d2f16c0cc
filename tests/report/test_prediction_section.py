"""Accuracy with groups and without; confusions; which clips are mended or worse."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.evaluation import metrics
from stpn_jax.report import prediction_section
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


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("count", [2, 7, 101])
def test_pictures_are_legible_and_have_every_class_with_videos(count, grouped):
    classes = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    groups = {name: f"group {i % 3}" for i, name in enumerate(classes)}
    rows, right, labels = made(classes, groups if grouped else {}, 500, empty=1)
    section = prediction_section.accuracy(rows, right, labels, "spatial")
    pictures = of(Picture, section)
    assert [one.name for one in pictures] == ["groups", "classes"][not grouped :]
    assert len(pictures[-1].numbers.rows) == count - 1
    matrix = prediction_section.confusions(
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
        Numbers, prediction_section.accuracy(rows, right, labels, "spatial")
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
    section = prediction_section.accuracy(
        alone, {"spatial": right["spatial"]}, labels, ""
    )
    assert len(of(Numbers, section)) == 1


CLASSES = legible.NAMES[:3]
LABELS = np.array([0, 0, 0, 1, 1, 2])


def predictions(truths):
    """Probabilities whose true class has these values; the next class has the rest."""
    probabilities = np.zeros((len(LABELS), 3))
    every = np.arange(len(LABELS))
    probabilities[every, LABELS] = truths
    probabilities[every, (LABELS + 1) % 3] = 1 - np.array(truths)
    return probabilities


BEFORE = predictions([0.1, 0.2, 0.9, 0.4, 0.8, 0.3])
NOW = predictions([0.6, 0.9, 0.2, 0.9, 0.9, 0.4])


def frames(place):
    return np.full((4, 20, 30, 3), 10 * place, np.uint8)


NAMES = [f"clip {i}" for i in range(6)]
VIDEOS = prediction_section.Videos(NAMES, LABELS, CLASSES, frames)


def test_cases_are_ordered_in_rounds_over_the_classes():
    kinds = prediction_section.select(BEFORE, NOW, LABELS)
    assert kinds["mended"] == [1, 3, 0]  # Class 0 twice: last.
    assert kinds["worse"] == [2]
    assert kinds["hard"] == [5]


def test_every_kind_has_a_count_a_picture_and_numbers():
    section = prediction_section.cases({"average": BEFORE, "pyramid": NOW}, VIDEOS)
    table, *pictures = section.blocks
    assert [row[1] for row in table.rows] == [1, 3, 1, 1]
    assert [one.name for one in pictures] == [
        "cases_mended",
        "cases_worse",
        "cases_hard",
    ]
    for one in pictures:
        legible.check(one.figure)
    header, rows = pictures[0].numbers
    assert [row[0] for row in rows] == ["clip 1", "clip 3", "clip 0"]
    first = dict(zip(header, rows[0], strict=True))
    assert first["prediction of average"] == CLASSES[1]
    assert first["prediction of pyramid"] == first["truth"] == CLASSES[0]
    (shown,) = pictures[1].figure.axes[0].images
    assert (np.asarray(shown.get_array())[:20, :30] == 20).all()


def test_kinds_without_a_video_are_mentioned():
    section = prediction_section.cases({"average": NOW, "pyramid": NOW}, VIDEOS)
    assert sum(isinstance(block, Picture) for block in section.blocks) == 1
    assert "No test video is wrong before, right now." in section.blocks


def test_the_most_frequent_confusions_come_first():
    counts = np.array([[5, 2, 0], [0, 3, 4], [0, 0, 0]])
    table = prediction_section.confusions("pyramid", counts, ["a", "b", "c"]).blocks[-1]
    assert table.rows == [("b", "c", 4), ("a", "b", 2)]
    perfect = prediction_section.confusions("pyramid", np.diag([2, 1]), ["a", "b"])
    assert perfect.blocks[-1] == "No test video is confused with another class."
