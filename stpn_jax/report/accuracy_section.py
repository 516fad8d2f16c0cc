"""The section on accuracy: every row with intervals and tests, groups and classes."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.figures import charts
from stpn_jax.report.page import Block, Numbers, Picture, Section


def accuracy(
    rows: Mapping[str, Metrics],
    right: Mapping[str, Bool[np.ndarray, "n"]],
    labels: Int[np.ndarray, "n"],
    reference: str,
) -> Section:
    """Every row with its interval, by group and by class.

    Args:
        rows: metrics by row.
        right: which test videos each row has right.
        labels: their classes.
        reference: row that the others are tested against; empty for none.
    """
    blocks: list[Block] = [
        _table(rows, right, labels),
        f"Intervals hold {intervals.LEVEL:.0%}: {intervals.RESAMPLES} resamples of the "
        "test videos of each class. They reflect the choice of test videos, not the "
        "seed of the training, and have no width where a row has no error.",
    ]
    if reference and len(rows) > 1:
        blocks.append(_tests(right, reference))
    if any(row.per_group for row in rows.values()):
        groups = {name: row.per_group for name, row in rows.items()}
        caption = "Mean class accuracy of each group of classes."
        blocks.append(_dots("groups", groups, caption))
    else:
        blocks.append("The classes have no groups, so there are no results by group.")
    classes = {name: row.per_class for name, row in rows.items()}
    caption = "Accuracy of each class that has test videos."
    blocks.append(_dots("classes", classes, caption))
    return Section("Accuracy", blocks)


def _table(
    rows: Mapping[str, Metrics],
    right: Mapping[str, Bool[np.ndarray, "n"]],
    labels: Int[np.ndarray, "n"],
) -> Numbers:
    values = np.stack([right[name] for name in rows]).astype(float)
    ends = intervals.intervals(values, labels)
    lines = [
        (
            name,
            f"{100 * row.mean_class_accuracy:.1f}",
            f"{100 * one.low:.1f} to {100 * one.high:.1f}",
            f"{100 * row.top1:.1f}",
            f"{100 * row.top5:.1f}",
        )
        for (name, row), one in zip(rows.items(), ends, strict=True)
    ]
    return Numbers(("row", "mean class accuracy", "interval", "top-1", "top-5"), lines)


def _tests(right: Mapping[str, Bool[np.ndarray, "n"]], reference: str) -> Numbers:
    tests = {
        name: intervals.mcnemar(right[reference], own)
        for name, own in right.items()
        if name != reference
    }
    header = (
        f"against {reference}",
        "only this row right",
        "only the other right",
        "p (exact McNemar)",
    )
    return Numbers(
        header,
        [
            (name, test.only_second, test.only_first, f"{test.p:.2g}")
            for name, test in tests.items()
        ],
    )


def _dots(
    name: str, accuracies: Mapping[str, Mapping[str, float]], caption: str
) -> Picture:
    """Accuracies by row, then by group or class."""
    labels = sorted({label for values in accuracies.values() for label in values})
    series = [
        charts.Series(row, [100 * values.get(label, np.nan) for label in labels])
        for row, values in accuracies.items()
    ]
    lines = [
        (label, *(values.get(label, "") for values in accuracies.values()))
        for label in labels
    ]
    figure = charts.dots(labels, series, "accuracy in %", (0.0, 100.0))
    return Picture(name, figure, caption, Numbers((name, *accuracies), lines))
