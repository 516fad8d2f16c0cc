"""The sections on accuracy: by row, group and class, and what is taken for what."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from stpn_jax.evaluation import intervals as bootstrap
from stpn_jax.evaluation import intervals as paired
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.figures import confusion, dots
from stpn_jax.report.page import Numbers, Picture, Section

_MOST_CONFUSIONS = 12
_PERCENT = "accuracy in %"
_LIMITS = (0.0, 100.0)


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
    blocks: list[str | Numbers | Picture] = [_table(rows, right, labels)]
    blocks.append(
        f"Intervals hold {bootstrap.LEVEL:.0%}: {bootstrap.RESAMPLES} resamples of the "
        "test videos of each class. They tell of the choice of test videos, not of the "
        "seed of a training, and have no width where a row has no error."
    )
    if reference and len(rows) > 1:
        blocks += [_tests(right, reference)]
    groups = sorted({name for row in rows.values() for name in row.per_group})
    if groups:
        parts = {name: row.per_group for name, row in rows.items()}
        caption = "Mean class accuracy of each group of classes."
        blocks.append(_dots("groups", groups, parts, caption))
    else:
        blocks.append("The classes have no groups, so there are no rows by group.")
    classes = sorted({name for row in rows.values() for name in row.per_class})
    parts = {name: row.per_class for name, row in rows.items()}
    caption = "Accuracy of each class that has test videos."
    blocks.append(_dots("classes", classes, parts, caption))
    return Section("Accuracy", blocks)


def confusions(row: str, metrics: Metrics, classes: Sequence[str]) -> Section:
    """What a row takes for what."""
    counts = np.array(metrics.confusion)
    numbers = Numbers(
        ("truth", *classes),
        [(name, *line) for name, line in zip(classes, counts.tolist(), strict=True)],
    )
    caption = f"Test videos of each class by the answer of the row {row}."
    empty = [
        name for name, total in zip(classes, counts.sum(1), strict=True) if not total
    ]
    if empty:
        caption += f" Classes without test videos stay white: {len(empty)}."
    figure = confusion.draw(counts, classes)
    blocks: list[str | Numbers | Picture] = [
        Picture("confusion", figure, caption, numbers)
    ]
    blocks.append(
        _most_frequent(counts, classes) or "No test video is taken for another."
    )
    return Section("Confusion matrix", blocks)


def _table(
    rows: Mapping[str, Metrics],
    right: Mapping[str, Bool[np.ndarray, "n"]],
    labels: Int[np.ndarray, "n"],
) -> Numbers:
    values = np.stack([right[name] for name in rows]).astype(float)
    intervals = bootstrap.intervals(values, labels)
    header = ("row", "mean class accuracy", "interval", "top-1", "top-5")
    lines = [
        (
            name,
            f"{100 * row.mean_class_accuracy:.1f}",
            f"{100 * one.low:.1f} to {100 * one.high:.1f}",
            f"{100 * row.top1:.1f}",
            f"{100 * row.top5:.1f}",
        )
        for (name, row), one in zip(rows.items(), intervals, strict=True)
    ]
    return Numbers(header, lines)


def _tests(right: Mapping[str, Bool[np.ndarray, "n"]], reference: str) -> Numbers:
    lines = []
    for name, own in right.items():
        if name != reference:
            found = paired.mcnemar(right[reference], own)
            lines.append((name, found.only_second, found.only_first, f"{found.p:.2g}"))
    return Numbers(
        (
            f"against {reference}",
            "only this row right",
            "only the other right",
            "p (exact McNemar)",
        ),
        lines,
    )


def _dots(
    name: str,
    labels: Sequence[str],
    rows: Mapping[str, Mapping[str, float]],
    caption: str,
) -> Picture:
    series = [
        dots.Series(row, [100 * values.get(label, np.nan) for label in labels])
        for row, values in rows.items()
    ]
    numbers = Numbers(
        (name, *rows),
        [
            (label, *(values.get(label, "") for values in rows.values()))
            for label in labels
        ],
    )
    figure = dots.draw(labels, series, _PERCENT, _LIMITS)
    return Picture(name, figure, caption, numbers)


def _most_frequent(
    counts: Int[np.ndarray, "n n"], classes: Sequence[str]
) -> Numbers | None:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    lines = [
        (classes[truth], classes[answer], int(wrong[truth, answer]))
        for truth, answer in pairs
        if wrong[truth, answer]
    ]
    return Numbers(("truth", "answer", "videos"), lines) if lines else None
