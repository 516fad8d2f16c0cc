"""Predictions on disk, the tables made of them, and their place in a text."""

import numpy as np
import pytest
from etils import epath

from stpn_jax.utils.errors import UsageError
from studies import accuracy_tables, report
from studies.result_store import Predictions
from studies.rows import Table, row
from studies.tables import STUDIES, keep

FIRST = row("first", "a", keep(), 50.0, ("net",))
TABLE = Table("Two rows", (FIRST, row("second", "b", keep(), None, ("net",))), seeds=2)
LABELS = ["x", "x", "y", "y"]
PREDICTED = {
    "a net seed 0": ["x", "y", "y", "x"],  # 50 %
    "a net seed 1": ["x", "x", "y", "x"],  # 75 %
    "b net seed 0": ["x", "x", "y", "y"],  # 100 %
    "b net seed 1": ["x", "x", "y", "x"],  # 75 %
}


def predictions(**changes):
    groups = ["a_g", "a_g", "b_long_h", "b_long_h"]
    videos = [f"v, {i}" for i in range(4)]  # With commas: it is a CSV file.
    return Predictions(videos, groups, LABELS, PREDICTED | changes)


def test_predictions_come_back(tmp_path):
    path = epath.Path(tmp_path) / "a.csv"
    path.write_text(predictions().to_csv())
    again = Predictions.from_csv(path)
    assert [list(one) for one in again[:3]] == [list(one) for one in predictions()[:3]]
    assert {name: list(one) for name, one in again.predicted.items()} == PREDICTED
    np.testing.assert_array_equal(again.correct("a net seed 0"), [1, 0, 1, 0])


def test_a_table_has_means_differences_and_groups():
    lines = accuracy_tables.of_study(TABLE, predictions()).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == [
        "variant", "accuracy", "seeds", "paper", "difference", "better in", "g",
        "long h",
    ]  # fmt: skip
    first, second = cells[2:]
    assert first[0] == "first" and first[1].startswith("62.5 [")
    assert first[2:] == ["50.0, 75.0", "50.0", "", "", "75", "50"]
    assert second[1].startswith("87.5 [") and second[2:4] == ["100.0, 75.0", "-"]
    assert second[4].startswith("+25.0 [") and second[5] == "1 of 2"
    assert second[6:] == ["100", "75"]


def test_only_runs_that_both_variants_have_are_compared():
    some = predictions()
    del some.predicted["b net seed 0"]
    (_, _, _, second) = accuracy_tables.of_study(TABLE, some).splitlines()
    assert "| +0.0 [+0.0, +0.0] | 0 of 1 |" in second


def test_a_variant_without_runs_has_dashes():
    some = predictions()
    for seed in (0, 1):
        del some.predicted[f"b net seed {seed}"]
    assert accuracy_tables.of_study(TABLE, some).endswith(
        "| second |" + " - |" * 7 + "\n"
    )


def test_only_what_is_between_the_markers_changes():
    text = report.insert("# Results\n\nWords.\n", "a/b", "| one |\n")
    text += "\nMore words.\n"
    text = report.insert(text, "a/c", "| other |\n")
    again = report.insert(text, "a/b", "| two |\n")
    assert again == text.replace("| one |", "| two |")
    assert again.count("<!-- a/b -->") == 1 and "More words." in again


def test_a_table_whose_marker_is_in_the_second_file_is_written_there(tmp_path):
    folder = epath.Path(tmp_path)
    more, first = folder / report.MORE, folder / "R.md"
    more.write_text(report.insert("Side tables.\n", "study/side", "| old |\n"))
    first.write_text("Words.\n")
    tables = {"side": "| new |\n", "main": "| one |\n"}
    report.Output("study", folder / "study", first).write(tables, "| all |\n")
    assert "| new |" in more.read_text() and "| old |" not in more.read_text()
    assert first.read_text().startswith("<!-- summary -->\n| all |\n")
    assert "| one |" in first.read_text() and "| new |" not in first.read_text()


def test_a_marker_that_is_there_twice_is_reported():
    text = report.insert("", "a/b", "| one |\n")
    with pytest.raises(UsageError, match="it has <!-- a/b --> twice"):
        report.insert(text + text, "a/b", "| new |\n")


def test_text_behind_a_lost_end_is_not_overwritten():
    text = "<!-- a/b -->\n| one |\n\nWords.\n\n<!-- a/c -->\n| two |\n<!-- end -->\n"
    for broken in (text, text.partition("Words")[0]):
        with pytest.raises(UsageError, match="it lacks the <!-- end --> of <!-- a/b"):
            report.insert(broken, "a/b", "| new |\n")


def test_seeds_beyond_the_tables_own_are_shown():
    more = {"a net seed 2": LABELS, "b net seed 2": LABELS}
    *_, first, second = accuracy_tables.of_study(
        TABLE, predictions(**more)
    ).splitlines()
    assert "| 50.0, 75.0, 100.0 |" in first and "| 1 of 3 |" in second


def test_sketches_are_sampled_again_for_one_training():
    tables = STUDIES["made"].tables
    assert tables["sketches"].repeats() == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]
    assert tables["parts"].repeats(2) == [(0, 0), (1, 1)]
