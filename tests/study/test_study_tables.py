"""Answers on disk, the tables made of them, and their place in a text."""

import dataclasses

import numpy as np
import pytest
from etils import epath

from stpn_jax.evaluation.paper import Row, Table
from stpn_jax.study import answers, results, tables
from stpn_jax.study.parts import PARTS, Comparison
from stpn_jax.utils.errors import UsageError

TABLE = Table(
    "Two rows",
    ("accuracy",),
    (Row("first", "a", ("net",), (50.0,)), Row("second", "b", ("net",), (None,))),
)
COMPARISON = Comparison(TABLE, seeds=2, reference="a")
LABELS = ["x", "x", "y", "y"]
PREDICTED = {
    "a net seed 0": ["x", "y", "y", "x"],  # 50 %
    "a net seed 1": ["x", "x", "y", "x"],  # 75 %
    "b net seed 0": ["x", "x", "y", "y"],  # 100 %
    "b net seed 1": ["x", "x", "y", "x"],  # 75 %
}


def made(**changes):
    groups = ["g", "g", "h", "h"]
    videos = [f"v, {i}" for i in range(4)]  # With commas: it is a CSV file.
    return answers.Answers(videos, groups, LABELS, PREDICTED | changes)


def test_answers_come_back(tmp_path):
    path = epath.Path(tmp_path) / "a.csv"
    path.write_text(answers.as_csv(made()))
    again = answers.read(path)
    for field in dataclasses.fields(answers.Answers):
        value = getattr(again, field.name)
        wanted = getattr(made(), field.name)
        if field.name == "predicted":
            assert {name: list(one) for name, one in value.items()} == wanted
        else:
            assert list(value) == wanted
    np.testing.assert_array_equal(again.right("a net seed 0"), [1, 0, 1, 0])


def test_another_file_is_refused(tmp_path):
    path = epath.Path(tmp_path) / "a.csv"
    for content in ("", "name,score\na,1\n", "video,group,label\n"):
        path.write_text(content)
        with pytest.raises(UsageError, match=r"a.csv: not a table of answers"):
            answers.read(path)


def test_a_table_has_means_differences_and_groups():
    lines = tables.markdown(COMPARISON, made()).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == [
        "row", "accuracy", "seeds", "paper", "difference", "better in", "g", "h"
    ]  # fmt: skip
    first, second = cells[2:]
    assert first[0] == "first" and first[1].startswith("62.5 [")
    assert first[2:] == ["50.0, 75.0", "50.0", "", "", "75", "50"]
    assert second[1].startswith("87.5 [") and second[2:4] == ["100.0, 75.0", "-"]
    assert second[4].startswith("+25.0 [") and second[5] == "1 of 2"
    assert second[6:] == ["100", "75"]


def test_only_runs_that_both_rows_have_are_compared():
    part = made()
    del part.predicted["b net seed 0"]
    (_, _, _, second) = tables.markdown(COMPARISON, part).splitlines()
    assert "| +0.0 [+0.0, +0.0] | 0 of 1 |" in second


def test_a_row_without_runs_has_dashes():
    part = made()
    for seed in (0, 1):
        del part.predicted[f"b net seed {seed}"]
    assert tables.markdown(COMPARISON, part).endswith("| second |" + " - |" * 7 + "\n")


def test_only_what_is_between_the_markers_changes():
    text = results.put("# Results\n\nWords.\n", "a/b", "| one |\n")
    text += "\nMore words.\n"
    text = results.put(text, "a/c", "| other |\n")
    again = results.put(text, "a/b", "| two |\n")
    assert again == text.replace("| one |", "| two |")
    assert again.count("<!-- a/b -->") == 1 and "More words." in again


def test_a_marker_that_is_there_twice_is_told():
    text = results.put("", "a/b", "| one |\n")
    with pytest.raises(UsageError, match="it has <!-- a/b --> twice"):
        results.put(text + text, "a/b", "| new |\n")


def test_text_behind_a_lost_end_is_not_overwritten():
    text = "<!-- a/b -->\n| one |\n\nWords.\n\n<!-- a/c -->\n| two |\n<!-- end -->\n"
    for broken in (text, text.partition("Words")[0]):
        with pytest.raises(UsageError, match="it lacks the <!-- end --> of <!-- a/b"):
            results.put(broken, "a/b", "| new |\n")


def test_references_are_rows_and_sketches_are_drawn_again():
    for part in PARTS.values():
        for comparison in part.comparisons.values():
            variants = [row.variant for row in comparison.table.rows]
            assert comparison.reference in variants
            assert len(set(variants)) == len(variants)
    runs = tables.runs(PARTS["made"].comparisons["sketches"])
    assert runs == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]
    assert tables.runs(PARTS["made"].comparisons["parts"], seeds=2) == [(0, 0), (1, 1)]
