"""The sections on training: learning curves of every stage, and its speed."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from stpn_jax.figures import curves
from stpn_jax.report.page import Numbers, Picture, Section

Rows = Sequence[Mapping[str, Any]]
"""The metrics of a stage, a row for each step that was logged."""

LOSS, ACCURACY, RATE = "loss", "accuracy", "snippets_per_second"
VALIDATION = "validation_mean_class_accuracy"


def learning(stages: Mapping[str, Rows]) -> Section:
    """Loss, and accuracy in training and validation, of each stage."""
    panels = [_panels(name, rows) for name, rows in stages.items() if rows]
    blocks: list[str | Picture] = []
    if panels:
        numbers = _numbers(stages, (LOSS, ACCURACY, VALIDATION))
        caption = (
            "Loss and accuracy of a training batch, and mean class accuracy on the "
            "validation part (one snippet and one view a video)."
        )
        blocks.append(Picture("learning", curves.draw(panels), caption, numbers))
    silent = [name for name, rows in stages.items() if not rows]
    if silent:
        blocks.append(f"Without metrics, since it took no steps: {', '.join(silent)}.")
    return Section("Learning curves", blocks)


def throughput(stages: Mapping[str, Rows]) -> Section:
    """Training snippets a second of each stage."""
    found = [_curve(name, rows, RATE) for name, rows in stages.items()]
    rates = [rate for rate in found if rate.steps]
    title = "Throughput"
    if not rates:
        return Section(title, ["No stage took a step, so there is no rate."])
    table = Numbers(
        ("stage", "median snippets a second", "slowest", "fastest", "steps"),
        [
            (rate.name, *(f"{f(rate.values):.0f}" for f in _SUMMARY), rate.steps[-1])
            for rate in rates
        ],
    )
    panel = curves.Panel("", "snippets a second", rates)
    numbers = _numbers(stages, (RATE,))
    caption = (
        "Training snippets a second over all devices; each point is the mean since the "
        "one before."
    )
    picture = Picture("throughput", curves.draw([[panel]]), caption, numbers)
    return Section(title, [table, picture])


_SUMMARY = (statistics.median, min, max)


def _panels(name: str, rows: Rows) -> list[curves.Panel]:
    accuracies = [
        _curve("training batch", rows, ACCURACY, 100.0),
        _curve("validation", rows, VALIDATION, 100.0),
    ]
    return [
        curves.Panel(name, "loss", [_curve("training batch", rows, LOSS)]),
        curves.Panel("", "accuracy in %", [c for c in accuracies if c.steps], 100.0),
    ]


def _curve(name: str, rows: Rows, key: str, factor: float = 1.0) -> curves.Curve:
    """A metric where it was logged, perhaps nowhere."""
    points = [(row["step"], factor * row[key]) for row in rows if key in row]
    return curves.Curve(name, *([point[i] for point in points] for i in (0, 1)))


def _numbers(stages: Mapping[str, Rows], keys: Sequence[str]) -> Numbers:
    return Numbers(
        ("stage", "step", *keys),
        [
            (name, row["step"], *(row.get(key, "") for key in keys))
            for name, rows in stages.items()
            for row in rows
            if any(key in row for key in keys)
        ],
    )
