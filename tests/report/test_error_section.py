"""Confusions; which clips are mended, worse or hard."""

import numpy as np
from reference import legible

from stpn_jax.report import error_section
from stpn_jax.report.page import Picture

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


VIDEOS = error_section.Videos([f"clip {i}" for i in range(6)], LABELS, CLASSES, frames)


def test_cases_are_ordered_in_rounds_over_the_classes():
    kinds = error_section.select(BEFORE, NOW, LABELS)
    assert kinds["mended"] == [1, 3, 0]  # Class 0 twice: last.
    assert kinds["worse"] == [2]
    assert kinds["hard"] == [5]


def test_every_kind_has_a_count_a_picture_and_numbers():
    section = error_section.cases({"average": BEFORE, "pyramid": NOW}, VIDEOS)
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
    assert first["answer of average"] == CLASSES[1]
    assert first["answer of pyramid"] == first["truth"] == CLASSES[0]
    (shown,) = pictures[1].figure.axes[0].images
    assert (np.asarray(shown.get_array())[:20, :30] == 20).all()


def test_kinds_without_a_video_are_mentioned():
    section = error_section.cases({"average": NOW, "pyramid": NOW}, VIDEOS)
    assert sum(isinstance(block, Picture) for block in section.blocks) == 1
    assert "No test video is wrong before, right now." in section.blocks


def test_the_most_frequent_confusions_come_first():
    counts = np.array([[5, 2, 0], [0, 3, 4], [0, 0, 0]])
    table = error_section.confusions("pyramid", counts, ["a", "b", "c"]).blocks[-1]
    assert table.rows == [("b", "c", 4), ("a", "b", 2)]
    perfect = error_section.confusions("pyramid", np.diag([2, 1]), ["a", "b"])
    assert perfect.blocks[-1] == "No test video is confused with another class."
