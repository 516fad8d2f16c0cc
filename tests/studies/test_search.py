"""The table of the search is of files that the study wrote, of the same videos."""

import numpy as np
import pytest
from etils import epath

from stpn_jax.experiment import run_dir
from stpn_jax.utils.errors import UsageError
from studies import __main__ as command
from studies import accuracy_tables
from studies.result_store import Facts, ResultStore, column
from studies.rows import SEARCH_REPEAT
from studies.tables import STUDIES

STUDY = STUDIES["ucf101"]
COLUMN = column("table6_b", "pyramid", SEARCH_REPEAT)


def add(folder, name, videos, predicted):
    tested = run_dir.Tested(
        videos=list(videos),
        labels=np.array([0, 0, 1]),
        classes=["x", "y"],
        prepared={"groups": {}},
        digest="",
        probabilities={"pyramid": np.eye(2)[list(predicted)]},
    )
    store = ResultStore(folder / name)
    store.add("table6", {"pyramid": COLUMN}, Facts("c", "v"), tested, 1.0)
    return store.folder / "table6.csv"


@pytest.fixture
def folder(tmp_path):
    searched = epath.Path(tmp_path) / "ucf101" / command.SEARCH
    add(searched, "first", "abc", (0, 1, 1))
    return searched


def test_a_run_is_a_column_of_mean_class_accuracies(folder):
    add(folder, "second", "abc", (0, 0, 1))
    head, _, line = accuracy_tables.of_search(STUDY, folder).splitlines()
    assert head == "| variant | result | first | second |"
    assert line.endswith("| pyramid | 75.0 | 100.0 |")


def test_the_search_is_written_with_the_other_tables(folder):
    places = [f"--results={folder.parent.parent}", f"--report={folder.parent}/R.md"]
    command.main(["ucf101", "--tables", *places])
    text = (folder.parent / "R.md").read_text()
    assert text.startswith("<!-- ucf101/choices -->\n| variant | result | first |\n")


def test_runs_on_other_videos_are_not_compared(folder):
    add(folder, "second", "abd", (0, 0, 1))
    with pytest.raises(UsageError, match="folders first, second are of different"):
        accuracy_tables.of_search(STUDY, folder)


def test_a_file_that_was_changed_by_hand_is_reported(folder):
    path = add(folder, "second", "abc", (0, 0, 1))
    path.write_text(path.read_text().replace("y", "x"))
    with pytest.raises(UsageError, match=r"table6\.csv: not the file that the study"):
        accuracy_tables.of_search(STUDY, folder)
