"""Comparing runs from their files: names, refusals, and what is written."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from stpn_jax.evaluation import intervals
from stpn_jax.experiment import compare, run_dir
from stpn_jax.utils.errors import UsageError

META = {"classes": ["a", "b", "c"], "size": [40, 40], "videos": "of the whole set"}


def run(folder, seed=0, meta=None, **changed):
    """A workdir as a test leaves it."""
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


def test_tables_numbers_and_picture_are_written(tmp_path):
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
def test_other_test_videos_are_refused_with_the_difference(tmp_path, changed, message):
    runs = [run(tmp_path / "one"), run(tmp_path / "two", **changed)]
    with pytest.raises(UsageError, match=message) as error:
        compare.write(runs, tmp_path / "out")
    assert all(name in str(error.value) for name in runs)
    assert not (tmp_path / "out").exists()


def test_one_run_and_a_folder_without_a_test_are_refused(tmp_path):
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
def test_names_are_the_ends_that_tell_paths_apart(folders, names):
    assert compare.short_names(folders) == names


def test_what_was_tested_has_every_field(tmp_path):
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
def test_lost_scores_are_told_and_the_run_counts_as_not_tested(tmp_path, content):
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
