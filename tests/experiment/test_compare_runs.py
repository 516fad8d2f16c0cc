"""Comparing runs: tables, picture, names, and runs that cannot be compared."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from reference import legible

from stpn_jax.evaluation import intervals
from stpn_jax.experiment import compare, run_dir
from stpn_jax.utils.errors import UsageError

META = {"classes": ["a", "b", "c"], "size": [40, 40], "videos": "of the whole set"}


def run(folder, seed=0, meta=None, **changed):
    """A workdir with scores."""
    rng = np.random.default_rng(seed)
    labels = np.arange(30) % 3
    folder.mkdir(parents=True)
    (folder / run_dir.DATASET).write_text(json.dumps(META | (meta or {})))
    probabilities = rng.random((30, 3))
    probabilities[np.arange(30), labels] += 0.3
    columns = {
        "videos": np.array([f"clip {i:02d}" for i in range(30)]),
        "labels": labels,
        "digest": np.array("of the test videos"),
    }
    run_dir.write_scores(folder, columns | {"pyramid": probabilities} | changed)
    return str(folder)


def test_markdown_numbers_and_picture_are_written(tmp_path):
    runs = [run(tmp_path / "one", 0), run(tmp_path / "two", 1)]
    text = compare.write(runs, tmp_path / "out")
    assert text == (tmp_path / "out" / "compare.md").read_text()
    assert (tmp_path / "out" / "compare.png").read_bytes().startswith(b"\x89PNG")
    with open(tmp_path / "out" / "compare.csv", newline="") as file:
        first, second = csv.DictReader(file)
    tested = [run_dir.read_tested(tmp_path / name) for name in ("one", "two")]
    right = [t.probabilities["pyramid"].argmax(1) == t.labels for t in tested]
    values = np.stack([*right, right[1].astype(int) - right[0]]).astype(float)
    expected = intervals.class_means(values, tested[0].labels)
    names = (
        (first, "mean class accuracy"),
        (second, "mean class accuracy"),
        (second, "difference"),
    )
    found = [float(row[name]) for row, name in names]
    np.testing.assert_allclose(found, expected)
    assert first["difference"] == "" and 0 < float(second["p"]) <= 1
    assert f"| pyramid | {100 * expected[0]:.1f} [" in text
    assert f"| pyramid | two | {100 * expected[2]:+.1f} [" in text


def test_runs_of_the_same_videos_may_be_prepared_in_two_ways(tmp_path):
    other = {"meta": {"size": [80, 60]}, "digest": np.array("other sizes of images")}
    runs = [run(tmp_path / "one"), run(tmp_path / "two", **other)]
    assert "| pyramid | two | +0.0 [" in compare.write(runs, tmp_path / "out")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"videos": np.array([f"clip {i:02d}" for i in range(1, 31)])},
            "30 and 30, of which 29 are common; clip 00 is in one of them alone",
        ),
        ({"meta": {"classes": ["a", "b", "d"]}}, r"their classes differ \(c, d\)"),
        ({"labels": np.arange(30)[::-1] % 3}, "their order or classes differ"),
        ({"digest": np.array("others")}, "the same names but other contents"),
    ],
)
def test_other_test_videos_are_rejected_with_the_difference(tmp_path, changed, message):
    runs = [run(tmp_path / "one"), run(tmp_path / "two", **changed)]
    with pytest.raises(UsageError, match=message) as error:
        compare.write(runs, tmp_path / "out")
    assert all(name in str(error.value) for name in runs)
    assert not (tmp_path / "out").exists()


def test_one_run_and_untested_folders_are_rejected(tmp_path):
    one = run(tmp_path / "one")
    with pytest.raises(UsageError, match="expected two"):
        compare.write([one], tmp_path / "out")
    with pytest.raises(UsageError, match=r"two: there is no such folder"):
        compare.write([one, str(tmp_path / "two")], tmp_path / "out")
    (tmp_path / "two").mkdir()
    with pytest.raises(UsageError, match=r"two/scores\.npz: no scores of a test"):
        compare.write([one, str(tmp_path / "two")], tmp_path / "out")


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["runs/a", "runs/b/"], ["a", "b"]),
        (["runs/a/run", "runs/b/run"], ["a/run", "b/run"]),
        (["x/run", "run"], ["x/run", "run"]),
        (["runs/a", "runs/a"], ["1: runs/a", "2: runs/a"]),
    ],
)
def test_short_names_are_the_shortest_distinct_ends(folders, names):
    assert compare.short_names(folders) == names


def test_read_tested_has_every_field(tmp_path):
    run(tmp_path / "one")
    tested = run_dir.read_tested(tmp_path / "one")
    assert list(tested.probabilities) == ["pyramid"]
    assert tested.prepared == {"classes": ["a", "b", "c"], "size": [40, 40]}
    assert all(
        getattr(tested, field.name)
        for field in dataclasses.fields(tested)
        if field.name != "labels"
    )


@pytest.mark.parametrize("content", (b"", b"PK cut short", None))
def test_lost_scores_are_reported_and_the_run_counts_as_untested(tmp_path, content):
    folder = tmp_path / "one"
    run(folder)
    assert not run_dir.is_tested(folder)  # Its table is missing.
    (folder / run_dir.RESULTS_JSON).write_text("{}")
    assert run_dir.is_tested(folder)
    if content is None:
        (folder / run_dir.SCORES).unlink()
    else:
        (folder / run_dir.SCORES).write_bytes(content)
    assert not run_dir.is_tested(folder)
    with pytest.raises(UsageError, match=r"scores\.npz: no scores of a test"):
        run_dir.read_tested(folder)


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


def test_cells_have_value_and_interval_in_percent(rows):
    table = compare.table(RUNS, rows)
    assert table.header == ("row", *RUNS)
    accuracy = rows["pyramid"][1].accuracy
    value, low, high = (100 * end for end in accuracy)
    assert table.rows[1][2] == f"{value:.1f} [{low:.1f}, {high:.1f}]"
    assert table.rows[0][3] == "-"


def test_differences_are_to_the_first_run_where_it_has_the_row(rows):
    lines = compare.differences(RUNS, rows).rows
    assert [line[:2] for line in lines] == [
        ("spatial", "two"),
        ("pyramid", "two"),
        ("pyramid", "a|b <run>"),
    ]
    assert lines[0][2] == "+0.0 [+0.0, +0.0]" and lines[0][-1] == "1"
    test = rows["pyramid"][2].test
    assert lines[2][3:5] == (test.only_second, test.only_first)


def test_numbers_are_unrounded(rows):
    numbers = compare.numbers(RUNS, rows)
    assert all(len(row) == len(numbers.header) for row in numbers.rows)
    by_place = {row[:2]: row[2:] for row in numbers.rows}
    cell = rows["pyramid"][1]
    found = by_place["pyramid", "two"]
    assert found == (*cell.accuracy, *cell.difference, *cell.test)
    assert by_place["pyramid", "one"][3:] == ("",) * 6


def test_picture_has_a_dot_and_an_interval_for_every_cell(rows):
    figure = compare.draw(RUNS, rows)
    legible.check(figure)
    containers = figure.axes[0].containers
    assert [one.get_label() for one in containers] == RUNS
    for index, container in enumerate(containers):
        cells = [cells[index] for cells in rows.values()]
        expected = [np.nan if c is None else 100 * c.accuracy.value for c in cells]
        np.testing.assert_allclose(container.lines[0].get_xdata(), expected)
