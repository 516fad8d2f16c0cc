"""The report of a run: its rows, its failures, the order of its clips."""

import types

import numpy as np
import pytest

from stpn_jax.experiment import report_attempt, run_report

STAGES = {
    "spatial": ("spatial", ()),
    "temporal": ("temporal", ()),
    "pyramid": ("pyramid", ("spatial", "temporal")),
    "paths": ("temporal", ("temporal",)),
}


def experiment(*names):
    """A stand-in with just the stages."""
    stages = [
        types.SimpleNamespace(name=name, network=STAGES[name][0], init=STAGES[name][1])
        for name in names
    ]
    return types.SimpleNamespace(config=types.SimpleNamespace(stages=stages))


@pytest.mark.parametrize(
    ("stages", "row", "average", "used"),
    [
        (("spatial",), "spatial", False, ["spatial"]),
        (("temporal", "paths"), "paths", False, ["paths"]),
        (("spatial", "temporal"), "average of spatial and temporal", True,
         ["spatial", "temporal"]),
        (("spatial", "temporal", "pyramid"), "pyramid", True, ["spatial", "pyramid"]),
    ],
)  # fmt: skip
def test_main_row_baseline_and_stages_of_each_kind_of_run(stages, row, average, used):
    made = experiment(*stages)
    assert run_report.main_row(made) == row
    assert bool(run_report.baseline(made)) == average
    assert [stage.name for stage in run_report.stages_to_run(made)] == used


def test_a_run_without_fusion_has_no_cases_and_says_why():
    for stages, reason in (
        (("spatial",), "not both streams"),
        (("spatial", "temporal"), "no stage fuses"),
    ):
        section = run_report.cases(experiment(*stages), {})
        assert len(section.blocks) == 1 and reason in section.blocks[0]


def test_a_failing_report_is_printed_and_not_raised(monkeypatch, capsys):
    def fail(*_):
        raise ValueError("no ink")

    monkeypatch.setattr(run_report, "write", fail)
    report_attempt.attempt(experiment("spatial"), {})
    printed = capsys.readouterr()
    assert "the report failed (no ink); the results are written" in printed.out
    assert "ValueError" in printed.err


def test_without_matplotlib_the_page_is_left_out_in_one_line(monkeypatch, capsys):
    def fail(*_):
        raise ModuleNotFoundError("No module", name="matplotlib.figure")

    monkeypatch.setattr(run_report, "write", fail)
    report_attempt.attempt(experiment("spatial"), {})
    printed = capsys.readouterr()
    assert "matplotlib is not installed; in the repository's folder: " in printed.out
    assert printed.out.count("\n") == 1 and not printed.err


def test_clips_are_shown_in_rounds_over_the_classes():
    labels = np.array([1, 1, 0, 2, 0, 1])
    assert run_report.in_rounds(labels) == [2, 0, 3, 4, 1, 5]


def test_every_library_has_a_version():
    found = run_report.versions()
    assert found["jax"].count(".") == 2 and "devices" in found
    assert all(isinstance(value, str) and value for value in found.values())
