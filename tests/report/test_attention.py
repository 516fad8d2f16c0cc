"""Sections on attention: what is drawn and what is measured."""

import numpy as np
from reference import legible

from stpn_jax.evaluation.attention_share import Share
from stpn_jax.figures import gaze
from stpn_jax.report import attention


def look(name):
    weights = np.full((2, 2), 0.25)
    frame, flow = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8, 2))
    return gaze.Look("wave", name, frame, weights, (0, 0, 8, 8), flow)


def test_the_caption_compares_with_an_even_map_and_all_cells_are_written():
    section = attention.section([look("one"), look("two")], limit=1.0)
    (picture,) = section.blocks
    legible.check(picture.figure)
    assert "has 25% of the attention" in picture.caption
    assert "4 cells would have 25%" in picture.caption
    assert len(picture.numbers.rows) == 8
    assert picture.numbers.rows[-1] == ("two", 1, 1, 0.25)


def test_shares_are_averaged_over_all_groups_and_classes():
    measured = [
        attention.Measured("v1", "b", "g", Share(0.4, 0.1, 1.0, True)),
        attention.Measured("v2", "a", "g", Share(0.2, 0.1, 0.5, False)),
    ]
    table, picture = attention.inside(measured).blocks
    assert table.rows == [
        ("all", 2, "30.0", "10.0", "3.0", "75.0", "50"),
        ("g", 2, "30.0", "10.0", "3.0", "75.0", "50"),
        ("a", 1, "20.0", "10.0", "2.0", "50.0", "0"),
        ("b", 1, "40.0", "10.0", "4.0", "100.0", "100"),
    ]
    legible.check(picture.figure)
    assert picture.numbers.rows[0] == ("v1", "b", "g", 0.4, 0.1, 1.0, True)


def test_without_groups_and_without_area_there_are_no_numbers_for_them():
    measured = [attention.Measured("v", "a", "", Share(0.0, 0.0, 0.0, False))]
    table, picture = attention.inside(measured).blocks
    assert [row[0] for row in table.rows] == ["all", "a"]
    assert table.rows[0][4] == "-"
    legible.check(picture.figure)
