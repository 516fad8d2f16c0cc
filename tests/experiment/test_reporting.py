"""The report at the end of a run cannot lose the run, and knows what it is about."""

import types

import numpy as np
import pytest

from stpn_jax.experiment import report

STAGES = {
    "spatial": ("spatial", ()),
    "temporal": ("temporal", ()),
    "pyramid": ("pyramid", ("spatial", "temporal")),
    "paths": ("temporal", ("temporal",)),
}


def experiment(*names):
    """As much of one as tells the rows."""
    stages = [
        types.SimpleNamespace(name=name, network=STAGES[name][0], init=STAGES[name][1])
        for name in names
    ]
    return types.SimpleNamespace(config=types.SimpleNamespace(stages=stages))


@pytest.mark.parametrize(
    ("stages", "row", "average", "observed"),
    [
        (("spatial",), "spatial", False, ["spatial"]),
        (("temporal", "paths"), "paths", False, ["paths"]),
        (("spatial", "temporal"), "average of spatial and temporal", True,
         ["spatial", "temporal"]),
        (("spatial", "temporal", "pyramid"), "pyramid", True, ["spatial", "pyramid"]),
    ],
)  # fmt: skip
def test_each_kind_of_run_has_its_row_and_its_baseline(stages, row, average, observed):
    made = experiment(*stages)
    assert report.main_row(made) == row
    assert bool(report.baseline(made)) == average
    assert [stage.name for stage in report.observed_stages(made)] == observed


def test_a_run_without_fusion_has_no_cases_and_says_why():
    for stages, reason in (
        (("spatial",), "not both streams"),
        (("spatial", "temporal"), "no stage fuses"),
    ):
        section = report.changed_cases(experiment(*stages), {})
        assert len(section.blocks) == 1 and reason in section.blocks[0]


def test_a_failing_report_is_told_and_no_more(monkeypatch, capsys):
    def fail(*_):
        raise ValueError("no ink")

    monkeypatch.setattr(report, "write", fail)
    report.attempt(experiment("spatial"), {})
    printed = capsys.readouterr()
    assert "the report failed (no ink); the results are written" in printed.out
    assert "ValueError" in printed.err


def test_clips_are_shown_in_rounds_over_the_classes():
    labels = np.array([1, 1, 0, 2, 0, 1])
    assert report.in_rounds(labels) == [2, 0, 3, 4, 1, 5]


def test_versions_are_told_of_every_library():
    found = report.versions()
    assert found["jax"].count(".") == 2 and "devices" in found
    assert all(isinstance(value, str) and value for value in found.values())
