"""The summary: numbers of the tables, over the seeds that both variants have."""

import re

import pytest
from etils import epath

from studies import summary
from studies.result_store import Predictions, column
from studies.tables import STUDIES

LABELS = ["x", "x", "y", "y"]
WRONG = ["y", "x", "y", "y"]


def test_a_line_is_of_the_seeds_that_both_variants_have(monkeypatch):
    predicted = {
        column("table6_a", "average of spatial and temporal", (0, 0)): WRONG,
        column("table6_a", "average of spatial and temporal", (1, 1)): LABELS,
        column("table6_d", "pyramid", (0, 0)): LABELS,
    }
    found = Predictions(["1", "2", "3", "4"], [""] * 4, LABELS, predicted)
    monkeypatch.setattr(summary.ResultStore, "read", lambda *_: found)
    whole = summary.Comparison("D vs. A", "hmdb51/table6", "table6_a", "table6_d")
    monkeypatch.setattr(summary, "COMPARISONS", (whole,))
    (line,) = summary.of_comparisons(epath.Path("results")).splitlines()[2:]
    assert re.sub(r" \[.*?\]", "", line) == (
        "| D vs. A | HMDB51, 4 | frozen | 1 | 75.0 | 100.0 | +25.0 | +2.5 |"
    )


def test_there_is_none_without_results(tmp_path):
    assert summary.of_comparisons(epath.Path(tmp_path)) == ""


@pytest.mark.parametrize("comparison", summary.COMPARISONS)
def test_comparisons_are_of_variants_of_their_table(comparison):
    study, name = comparison.table.split("/")
    variants = {row.variant for row in STUDIES[study].tables[name].rows}
    assert {comparison.baseline, comparison.variant} <= variants
