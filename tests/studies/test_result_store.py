"""Predictions of one config and one set of videos, or a line that says why not."""

import json
import threading

import numpy as np
import pytest
from etils import epath

from stpn_jax.experiment import run_dir
from stpn_jax.utils.errors import UsageError
from studies import result_store
from studies.result_store import Facts, ResultStore

CLASSES = ["x", "y"]
FACTS = Facts("config", "videos")


def of_test(videos=("1", "2", "3"), predicted=(0, 1, 1)):
    return run_dir.Tested(
        videos=list(videos),
        labels=np.array([0, 0, 1]),
        classes=CLASSES,
        prepared={"groups": {"x": "g"}},
        digest="",
        probabilities={"net": np.eye(2)[list(predicted)]},
    )


@pytest.fixture
def store(tmp_path):
    store = ResultStore(epath.Path(tmp_path) / "study")
    store.add("table", {"net": "a net seed 0"}, FACTS, of_test(), 1.0)
    return store


def test_columns_are_added_to_those_that_are_there(store):
    assert store.has("table", ["a net seed 0"], FACTS)
    assert not store.has("table", ["b net seed 0"], FACTS)
    assert not store.has("other", ["a net seed 0"], FACTS)
    store.add(
        "table", {"net": "b net seed 0"}, FACTS, of_test(predicted=(0, 0, 0)), 2.0
    )
    found = store.read("table")
    assert list(found.predicted) == ["a net seed 0", "b net seed 0"]
    assert list(found.groups) == ["g", "g", ""]
    np.testing.assert_array_equal(found.correct("a net seed 0"), [1, 0, 1])
    np.testing.assert_array_equal(found.correct("b net seed 0"), [1, 1, 0])


def test_folds_are_read_as_one_where_all_have_a_run(tmp_path):
    folder = epath.Path(tmp_path)
    for fold, (videos, predicted, seconds) in enumerate(
        (("123", (0, 1, 1), 60.0), ("456", (0, 0, 0), 180.0))
    ):
        added = of_test(videos, predicted)
        one = result_store.store_of(folder, fold)
        one.add("table", {"net": "a net seed 0"}, FACTS, added, seconds)
    one.add("table", {"net": "b net seed 0"}, FACTS, added, 1.0)
    found, minutes = result_store.read_folds(folder, "table", 2)
    assert list(found.videos) == list("123456")
    np.testing.assert_array_equal(found.correct("a net seed 0"), [1, 0, 1, 1, 1, 0])
    assert minutes == {"a net seed 0": 2.0}
    assert result_store.read_folds(folder, "table", 3) == (None, {})


def test_predictions_of_another_config_or_other_videos_are_rejected(store):
    with pytest.raises(UsageError, match="'a net seed 0' is of another config"):
        store.has("table", ["a net seed 0"], Facts("other", "videos"))
    with pytest.raises(UsageError, match="'a net seed 0' is of other videos"):
        store.has("table", ["b net seed 0"], Facts("config", "others"))


@pytest.mark.parametrize("damage", ["cut at a line", "header", "binary", "empty"])
def test_a_damaged_file_is_reported(store, damage):
    path = store.folder / "table.csv"
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    damaged = {
        "cut at a line": b"".join(lines[:-1]),
        "header": lines[0],
        "binary": b"\xff\x00\x80",
        "empty": b"",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(UsageError, match=r"table\.csv: not the file .* delete it"):
        store.has("table", ["b net seed 0"], FACTS)
    path.unlink()
    assert not store.has("table", ["a net seed 0"], FACTS)


def test_a_damaged_note_is_reported(store):
    path = store.folder / "runs.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UsageError, match=r"runs\.json: not the JSON"):
        store.read("table")


@pytest.mark.parametrize(
    "content",
    [
        '{"answers": {"a": 5}, "runs": {}}',
        '{"answers": {}, "runs": {"a": 5}}',
        '{"answers": [], "runs": {}}',
        "[]",
        "{}",
    ],
)
def test_a_note_of_another_shape_is_reported(store, content):
    (store.folder / "runs.json").write_text(content)
    with pytest.raises(UsageError, match=r"runs\.json: not the JSON"):
        store.read("table")


@pytest.mark.parametrize("ends", (1, 2))
def test_an_end_between_the_two_files_loses_nothing(store, ends):
    path = store.folder / "table.csv"
    before = path.read_bytes()
    for _ in range(ends):
        store.add("table", {"net": "b net seed 0"}, FACTS, of_test(), 2.0)
        path.write_bytes(before)  # As if the process had died before this file.
    assert not store.has("table", ["b net seed 0"], FACTS)
    store.add("table", {"net": "b net seed 0"}, FACTS, of_test(), 2.0)
    assert store.has("table", ["a net seed 0", "b net seed 0"], FACTS)
    notes = json.loads((store.folder / "runs.json").read_text())["runs"]
    assert notes["table: b net seed 0"] == {
        "config": "config",
        "videos": "videos",
        "seconds": 2.0,
    }


def test_a_run_that_is_read_again_keeps_the_time_it_took(store):
    store.folder.joinpath("table.csv").unlink()
    store.add("table", {"net": "a net seed 0"}, FACTS, of_test(), 0.1)
    notes = json.loads((store.folder / "runs.json").read_text())["runs"]
    assert notes["table: a net seed 0"]["seconds"] == 1.0


def test_those_who_add_at_the_same_time_lose_nothing(store):
    names = [f"{i} net seed 0" for i in range(16)]
    adding = [
        threading.Thread(
            target=lambda name=name: ResultStore(store.folder).add(
                "table", {"net": name}, FACTS, of_test(), 2.0
            )
        )
        for name in names
    ]
    for one in adding:
        one.start()
    for one in adding:
        one.join()
    assert store.has("table", names, FACTS)
