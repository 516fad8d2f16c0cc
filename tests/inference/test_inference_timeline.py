"""Cells cover a video, windows slide by half, runs of one label are segments."""

import weakref

import numpy as np
import pytest

from stpn_jax.inference import predictions, video_sources

LABELS = ("a", "b", "c")


def cells(text, sure=0.8, step=50):
    """Cells of 50 frames, each sure of the class that its letter names."""
    rest = (1 - sure) / 2
    return [
        predictions.ScoredCell(
            i * step, (i + 1) * step, np.where(np.eye(3)["abc".index(c)], sure, rest)
        )
        for i, c in enumerate(text)
    ]


def test_a_window_is_two_neighbours():
    found = predictions.windows(cells("aab"), 25.0, LABELS)
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
def test_segments_are_runs_that_cover_the_video(text, expected):
    found = predictions.segments(cells(text), 25.0, LABELS)
    assert [(p.label, p.start, p.end) for p in found] == expected


def test_an_unsure_cell_between_sure_ones_is_no_part():
    text = cells("aaa") + cells("b", 0.4) + cells("aaa")
    spread = [
        predictions.ScoredCell(i * 50, (i + 1) * 50, c.probabilities)
        for i, c in enumerate(text)
    ]
    (part,) = predictions.segments(spread, 25.0, LABELS)
    assert (part.label, part.start, part.end) == ("a", 0, 14)


def frames(count):
    for i in range(count):
        yield np.full((2, 3, 3), i % 256, np.uint8)


@pytest.mark.parametrize(
    ("count", "lengths"),
    [
        (0, []),
        (1, [1]),
        (20, [20]),
        (21, [8, 8, 5]),
        (24, [8, 8, 8]),
        (27, [8, 8, 11]),
        (28, [8, 8, 8, 4]),
        (160, [8] * 20),
    ],
)
def test_cells_cover_the_video(count, lengths):
    found = list(video_sources.cut(frames(count), whole=20, step=8))
    assert [len(cell.frames) for cell in found] == lengths
    assert [cell.alone for cell in found] == [count <= 20] * len(found)
    starts = np.cumsum([0, *lengths])[:-1].tolist()
    assert [cell.start for cell in found] == starts
    for cell in found:
        expected = (cell.start + np.arange(len(cell.frames))) % 256
        np.testing.assert_array_equal(cell.frames[:, 0, 0, 0], expected)


def test_frames_are_forgotten():
    alive, most = 0, 0

    def died():
        nonlocal alive
        alive -= 1

    def counted():
        nonlocal alive, most
        for frame in frames(300):
            alive += 1
            most = max(most, alive)
            weakref.finalize(frame, died)
            yield frame

    for cell in video_sources.cut(counted(), whole=20, step=8):
        del cell
    assert 21 <= most <= 21 + 16


def test_lengths_follow_the_rate_within_bounds():
    assert video_sources.lengths(25.0, None) == (750, 125)
    assert video_sources.lengths(10.0, 4.0) == (40, 20)
    assert video_sources.lengths(240.0, None) == (1500, 1200)
    assert video_sources.lengths(1.0, 0.1) == (2, 2)
