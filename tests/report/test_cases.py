"""Which clips are mended, worse or hard, and that all are told of."""

import numpy as np
from reference import legible

from stpn_jax.report import cases
from stpn_jax.report.page import Picture

CLASSES = legible.NAMES[:3]
LABELS = np.array([0, 0, 0, 1, 1, 2])


def answers(row, truths):
    """Probabilities whose true class has these values; the next class has the rest."""
    probabilities = np.zeros((len(LABELS), 3))
    every = np.arange(len(LABELS))
    probabilities[every, LABELS] = truths
    probabilities[every, (LABELS + 1) % 3] = 1 - np.array(truths)
    return cases.Answers(row, probabilities)


BEFORE = answers("average", [0.1, 0.2, 0.9, 0.4, 0.8, 0.3])
NOW = answers("pyramid", [0.6, 0.9, 0.2, 0.9, 0.9, 0.4])
VIDEOS = cases.Videos([f"clip {i}" for i in range(6)], LABELS, CLASSES)


def frames(place):
    return np.full((4, 20, 30, 3), 10 * place, np.uint8)


def test_cases_are_told_apart_and_ordered_in_rounds_over_the_classes():
    kinds = cases.select(BEFORE.probabilities, NOW.probabilities, LABELS)
    assert kinds["mended"].tolist() == [1, 3, 0]  # Class 0 twice: last.
    assert kinds["worse"].tolist() == [2]
    assert kinds["hard"].tolist() == [5]


def test_every_kind_is_drawn_counted_and_written():
    section = cases.section(BEFORE, NOW, VIDEOS, frames)
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


def test_kinds_without_a_video_are_sentences():
    section = cases.section(NOW, NOW, VIDEOS, frames)
    assert sum(isinstance(block, Picture) for block in section.blocks) == 1
    assert "No test video is wrong before, right now." in section.blocks
