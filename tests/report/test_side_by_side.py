"""Runs beside each other: cells, gaps, and a picture that can be read."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.evaluation import intervals
from stpn_jax.report import side_by_side

RUNS = ["one", "two", "a|b <run>"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=60)
    right = rng.random((4, 60)) < 0.6
    runs = [
        {"spatial": right[0], "pyramid": right[1]},
        {"spatial": right[0], "pyramid": right[2]},
        {"pyramid": right[3]},
    ]
    return intervals.compare(runs, labels)


def test_a_cell_holds_value_and_interval_in_percent(rows):
    table = side_by_side.table(RUNS, rows)
    assert table.header == ("row", *RUNS)
    accuracy = rows["pyramid"][1].accuracy
    value, low, high = (100 * end for end in accuracy)
    assert table.rows[1][2] == f"{value:.1f} [{low:.1f}, {high:.1f}]"
    assert table.rows[0][3] == "-"


def test_differences_are_to_the_first_run_where_it_has_the_row(rows):
    lines = side_by_side.differences(RUNS, rows).rows
    assert [line[:2] for line in lines] == [
        ("spatial", "two"),
        ("pyramid", "two"),
        ("pyramid", "a|b <run>"),
    ]
    assert lines[0][2] == "+0.0 [+0.0, +0.0]" and lines[0][-1] == "1"
    test = rows["pyramid"][2].test
    assert lines[2][3:5] == (test.only_second, test.only_first)


def test_numbers_are_unrounded(rows):
    numbers = side_by_side.numbers(RUNS, rows)
    assert all(len(row) == len(numbers.header) for row in numbers.rows)
    by_place = {row[:2]: row[2:] for row in numbers.rows}
    cell = rows["pyramid"][1]
    found = by_place["pyramid", "two"]
    assert found == (*cell.accuracy, *cell.difference, *cell.test)
    assert by_place["pyramid", "one"][3:] == ("",) * 6


def test_the_picture_has_a_mark_and_an_interval_for_every_cell(rows):
    figure = side_by_side.draw(RUNS, rows)
    legible.check(figure)
    containers = figure.axes[0].containers
    assert [one.get_label() for one in containers] == RUNS
    for index, container in enumerate(containers):
        cells = [cells[index] for cells in rows.values()]
        expected = [np.nan if c is None else 100 * c.accuracy.value for c in cells]
        np.testing.assert_allclose(container.lines[0].get_xdata(), expected)
