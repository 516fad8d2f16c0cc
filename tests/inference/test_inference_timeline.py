"""Windows slide by half, and runs of one label are parts."""

import numpy as np
import pytest

from stpn_jax.inference import timeline

LABELS = ("a", "b", "c")


def cells(text, sure=0.8, step=50):
    """Cells of 50 frames, each sure of the class that its letter names."""
    rest = (1 - sure) / 2
    return [
        timeline.Scored(
            i * step, (i + 1) * step, np.where(np.eye(3)["abc".index(c)], sure, rest)
        )
        for i, c in enumerate(text)
    ]


def test_a_window_is_two_neighbours():
    found = timeline.windows(cells("aab"), 25.0, LABELS)
    assert [(w.start, w.end) for w in found] == [(0, 4), (2, 6)]
    assert found[0].label == "a" and found[0].probability == pytest.approx(0.8)
    np.testing.assert_allclose(found[1].probabilities, [0.45, 0.45, 0.1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("aaaabbbbcccc", [("a", 0, 8), ("b", 8, 16), ("c", 16, 24)]),
        ("aaabbaaa", [("a", 0, 6), ("b", 6, 10), ("a", 10, 16)]),
        ("aa", [("a", 0, 4)]),
        ("a", []),
        ("", []),
    ],
)
def test_parts_are_runs_that_cover_the_video(text, expected):
    found = timeline.parts(cells(text), 25.0, LABELS)
    assert [(p.label, p.start, p.end) for p in found] == expected


def test_an_unsure_cell_between_sure_ones_is_no_part():
    text = cells("aaa") + cells("b", 0.4) + cells("aaa")
    spread = [
        timeline.Scored(i * 50, (i + 1) * 50, c.probabilities)
        for i, c in enumerate(text)
    ]
    (part,) = timeline.parts(spread, 25.0, LABELS)
    assert (part.label, part.start, part.end) == ("a", 0, 14)
