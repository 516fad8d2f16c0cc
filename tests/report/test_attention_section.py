"""Sections on attention: captions, numbers and means over groups and classes."""

import numpy as np
from reference import legible

from stpn_jax.evaluation.attention_share import Share
from stpn_jax.figures import attention_figure
from stpn_jax.report import attention_section


def clip(name):
    weights = np.full((2, 2), 0.25)
    frame, flow = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8, 2))
    return attention_figure.Clip("wave", name, frame, weights, (0, 0, 8, 8), flow)


def test_caption_compares_with_an_even_map_and_numbers_have_all_cells():
    section = attention_section.clips([clip("one"), clip("two")], limit=1.0)
    (picture,) = section.blocks
    legible.check(picture.figure)
    assert "has 25% of the attention" in picture.caption
    assert "4 cells would have 25%" in picture.caption
    assert len(picture.numbers.rows) == 8
    assert picture.numbers.rows[-1] == ("two", 1, 1, 0.25)


def test_shares_are_averaged_over_all_groups_and_classes():
    measured = [
        attention_section.Measured("v1", "b", "g", Share(0.4, 0.1, 1.0, True)),
        attention_section.Measured("v2", "a", "g", Share(0.2, 0.1, 0.5, False)),
    ]
    table, picture = attention_section.inside(measured).blocks
    assert table.rows == [
        ("all", 2, "30.0", "10.0", "3.0", "75.0", "50"),
        ("g", 2, "30.0", "10.0", "3.0", "75.0", "50"),
        ("a", 1, "20.0", "10.0", "2.0", "50.0", "0"),
        ("b", 1, "40.0", "10.0", "4.0", "100.0", "100"),
    ]
    legible.check(picture.figure)
    assert picture.numbers.rows[0] == ("v1", "b", "g", 0.4, 0.1, 1.0, True)


def test_without_groups_and_without_area():
    measured = [attention_section.Measured("v", "a", "", Share(0.0, 0.0, 0.0, False))]
    table, picture = attention_section.inside(measured).blocks
    assert [row[0] for row in table.rows] == ["all", "a"]
    assert table.rows[0][4] == "-"
    legible.check(picture.figure)
