"""Attention inside of boxes against counting pixels; box files."""

import numpy as np
import pytest

from stpn_jax.evaluation import attention_share
from stpn_jax.utils.errors import UsageError

WHOLE = (0.0, 0.0, 1.0, 1.0)


def test_an_even_map_has_the_share_of_the_area():
    boxes = [(0.1, 0.2, 0.4, 0.6), (0.3, 0.5, 0.9, 0.7)]
    found = attention_share.share(np.full((7, 7), 1 / 49), boxes, WHOLE)
    area = 0.3 * 0.4 + 0.6 * 0.2 - 0.1 * 0.1  # What both cover counts once.
    assert found.mass == pytest.approx(found.area)
    assert found.area == pytest.approx(area, abs=0.01)


@pytest.mark.parametrize("cell", [(0, 0), (1, 2), (3, 3)])
def test_one_cell_has_what_the_boxes_cover_of_it(cell):
    attention = np.zeros((4, 4))
    attention[cell] = 1
    found = attention_share.share(attention, [(0.25, 0.5, 0.5, 0.625)], WHOLE)
    assert found.mass == pytest.approx(0.5 if cell == (1, 2) else 0)
    assert found.hit == (cell == (1, 2))
    assert found.area == pytest.approx(1 / 32) and found.most == pytest.approx(0.5)


def test_boxes_are_of_the_frame_and_the_map_is_of_the_crop():
    crop = (0.25, 0.0, 0.75, 0.5)
    cover = attention_share.covered([(0.25, 0.25, 0.5, 0.5)], crop, (2, 2))
    np.testing.assert_allclose(cover, [[0, 1], [0, 0]])
    outside = attention_share.share(np.eye(2) / 2, [(0.8, 0.0, 1.0, 1.0)], crop)
    assert outside == (0, 0, 0, False)


def test_random_maps_against_counting_pixels():
    rng = np.random.default_rng(0)
    attention = rng.random((5, 4))
    attention /= attention.sum()
    pixels = np.kron(attention, np.ones((32, 32))) / 32**2
    y0, x0, y1, x1 = 23, 40, 101, 97
    mask = np.zeros(pixels.shape)
    mask[y0:y1, x0:x1] = 1
    box = (y0 / 160, x0 / 128, y1 / 160, x1 / 128)
    found = attention_share.share(attention, [box], WHOLE)
    assert found.mass == pytest.approx((pixels * mask).sum())
    assert found.area == pytest.approx(mask.mean())


HEADER = "video,frame,y0,x0,y1,x1\n"


def test_box_file_round_trip(tmp_path):
    rows = [
        attention_share.Row('a, "quoted"/clip.mp4', 0, 0.0, 0.25, 0.5, 1.0),
        attention_share.Row('a, "quoted"/clip.mp4', 0, 0.5, 0.0, 1.0, 0.125),
        attention_share.Row("b/clip.mp4", 7, 0.1, 0.1, 0.1, 0.2),
    ]
    attention_share.write(tmp_path / "boxes.csv", rows)
    found = attention_share.read(tmp_path / "boxes.csv")
    assert found == {
        ('a, "quoted"/clip.mp4', 0): [(0.0, 0.25, 0.5, 1.0), (0.5, 0.0, 1.0, 0.125)],
        ("b/clip.mp4", 7): [(0.1, 0.1, 0.1, 0.2)],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the header"),
        ("video,frame\n", "expected the header"),
        (HEADER + "a,0,0,0,1,1\na,0,0,0,1\n", "line 3"),
        (HEADER + "a,0,0,0,1,1,1\n", "line 2"),
        (HEADER + "a,first,0,0,1,1\n", "found 'a,first,0,0,1,1'"),
        (HEADER + "a,-1,0,0,1,1\n", "line 2"),
        (HEADER + "a,0,0,0,72,72\n", "line 2"),
        (HEADER + "a,0,0.5,0,0.4,1\n", "line 2"),
        (HEADER + "a,0,nan,0,0.4,1\n", "line 2"),
    ],
)
def test_damaged_lines_are_reported(tmp_path, text, message):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        attention_share.read(path)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv: no such file"):
        attention_share.read(tmp_path / "none.csv")
