"""A video is cut into cells that cover it, and little of it is in memory."""

import weakref

import numpy as np
import pytest

from stpn_jax.inference import timeline


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
    found = list(timeline.cut(frames(count), whole=20, step=8))
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

    for cell in timeline.cut(counted(), whole=20, step=8):
        del cell
    assert 21 <= most <= 21 + 16


def test_lengths_follow_the_rate_within_bounds():
    assert timeline.lengths(25.0, None) == (750, 125)
    assert timeline.lengths(10.0, 4.0) == (40, 20)
    assert timeline.lengths(240.0, None) == (1500, 1200)
    assert timeline.lengths(1.0, 0.1) == (2, 2)
