"""The tables of the study, from the answers on disk."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool

from stpn_jax.evaluation import intervals as bootstrap
from stpn_jax.evaluation.paper import Row
from stpn_jax.report import page
from stpn_jax.study import intervals as intervals
from stpn_jax.study.answers import Answers, column
from stpn_jax.study.parts import Comparison

Run = tuple[int, int]
"""Seed of a training and of its sketches."""


def runs(comparison: Comparison, seeds: int = 0) -> list[Run]:
    """Seeds of the trainings of every row.

    Sketches have their training's seed, so that other trainings are other draws; where
    sketches are what is compared, one training is repeated with several draws.

    Args:
        comparison: whose rows.
        seeds: at most so many; 0 for all.
    """
    if comparison.sketches > 1:
        return [(0, sketch) for sketch in range(min(seeds or 99, comparison.sketches))]
    return [(seed, seed) for seed in range(min(seeds or 99, comparison.seeds))]


def markdown(comparison: Comparison, answers: Answers) -> str:
    """A table: each row's accuracy, its difference to the reference, its groups.

    Columns of the paper's numbers are left out where it has none. A row of which not
    all runs of the others are there yet has dashes.
    """
    table = comparison.table
    lines = [list(_cells(comparison, answers, row)) for row in table.rows]
    return page.markdown(page.Numbers(list(_header(comparison, answers)), lines))


def _header(comparison: Comparison, answers: Answers) -> Iterator[str]:
    yield "row"
    for name in comparison.table.columns:
        yield name
        yield "seeds"
        if _has_paper(comparison):
            yield "paper"
    if len(comparison.table.rows) > 1:
        yield "difference"
        yield "better in"
    yield from _groups(answers)


def _has_paper(comparison: Comparison) -> bool:
    return any(any(row.numbers) for row in comparison.table.rows)


def _groups(answers: Answers) -> list[str]:
    return sorted(set(answers.groups) - {""})


def _cells(comparison: Comparison, answers: Answers, row: Row) -> Iterator[str]:
    table = comparison.table
    labels = np.unique(answers.labels, return_inverse=True)[1]
    found = [_right(comparison, answers, row, result) for result in row.results]
    yield row.label
    for by_run, number in zip(found, row.numbers, strict=True):
        if by_run:
            right = np.array(list(by_run.values()))
            value = intervals.interval(right.astype(float), labels)
            yield _percent(value)
            yield _spread(intervals.accuracies(right, labels).tolist())
        else:
            yield from ("-", "-")
        if _has_paper(comparison):
            yield "-" if number is None else f"{number:.1f}"
    if len(table.rows) > 1:
        (reference,) = (r for r in table.rows if r.variant == comparison.reference)
        base = _right(comparison, answers, reference, reference.results[0])
        common = [run for run in found[0] if run in base]
        if row is reference or not common:
            yield from ("", "") if row is reference else ("-", "-")
        else:
            told = intervals.compare(
                np.array([found[0][run] for run in common]),
                np.array([base[run] for run in common]),
                labels,
            )
            yield _signed(told.difference)
            yield f"{told.better} of {told.trainings}"
    for group in _groups(answers):
        inside = np.array(answers.groups) == group
        first = np.array(list(found[0].values()))
        yield _group(first, labels, inside) if len(first) else "-"


def _right(
    comparison: Comparison, answers: Answers, row: Row, result: str
) -> dict[Run, Bool[np.ndarray, "n"]]:
    """What the runs of a row that are there have right."""
    names = {run: column(row.variant, result, *run) for run in runs(comparison)}
    return {
        run: answers.right(name)
        for run, name in names.items()
        if name in answers.predicted
    }


def _group(
    right: Bool[np.ndarray, "seeds n"], labels: np.ndarray, inside: np.ndarray
) -> str:
    means = bootstrap.class_means(right[:, inside].astype(float), labels[inside])
    return f"{100 * means.mean():.0f}"


def _percent(value: bootstrap.Interval) -> str:
    low, high = 100 * value.low, 100 * value.high
    return f"{100 * value.value:.1f} [{low:.1f}, {high:.1f}]"


def _signed(value: bootstrap.Interval) -> str:
    low, high = 100 * value.low, 100 * value.high
    return f"{100 * value.value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _spread(accuracies: Sequence[float]) -> str:
    return ", ".join(f"{100 * one:.1f}" for one in accuracies)
