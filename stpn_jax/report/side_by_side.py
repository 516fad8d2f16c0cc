"""Runs beside each other: a table, tests against the first, a picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.intervals import Cell
from stpn_jax.figures import dots
from stpn_jax.report.page import Numbers


def table(runs: Sequence[str], rows: Mapping[str, Sequence[Cell | None]]) -> Numbers:
    """A line a row, a column a run: mean class accuracy with its interval, in %."""
    return Numbers(
        ("row", *runs),
        [
            (row, *("-" if cell is None else _percent(cell.accuracy) for cell in cells))
            for row, cells in rows.items()
        ],
    )


def differences(
    runs: Sequence[str], rows: Mapping[str, Sequence[Cell | None]]
) -> Numbers:
    """A line for each row and each run after the first one that have it both."""
    first, *_ = runs
    header = (
        "row",
        "run",
        f"difference to {first}",
        "only this run right",
        f"only {first} right",
        "p (exact McNemar)",
    )
    lines = []
    for row, cells in rows.items():
        for run, cell in zip(runs[1:], cells[1:], strict=True):
            if cell is not None and cell.difference and cell.test:
                test = cell.test
                counts = test.only_second, test.only_first, f"{test.p:.2g}"
                lines.append((row, run, _percent(cell.difference, "+"), *counts))
    return Numbers(header, lines)


def numbers(runs: Sequence[str], rows: Mapping[str, Sequence[Cell | None]]) -> Numbers:
    """Everything, unrounded, with shares from 0 to 1."""
    header = ["row", "run", "mean class accuracy", "low", "high"]
    header += ["difference", "difference low", "difference high"]
    header += ["only first right", "only this right", "p"]
    lines = []
    for row, cells in rows.items():
        for run, cell in zip(runs, cells, strict=True):
            if cell is not None:
                rest = (*(cell.difference or [""] * 3), *(cell.test or [""] * 3))
                lines.append((row, run, *cell.accuracy, *rest))
    return Numbers(header, lines)


def draw(runs: Sequence[str], rows: Mapping[str, Sequence[Cell | None]]) -> Figure:
    """Every row with a mark and an interval for each run."""
    series = []
    for index, run in enumerate(runs):
        cells = [cells[index] for cells in rows.values()]
        columns = np.array(
            [[np.nan] * 3 if cell is None else cell.accuracy for cell in cells]
        )
        series.append(dots.Series(run, *(100 * columns.T).tolist()))
    quantity = f"mean class accuracy in %, with {intervals.LEVEL:.0%} intervals"
    return dots.draw(list(rows), series, quantity, (0.0, 100.0))


def _percent(interval: intervals.Interval, sign: str = "") -> str:
    value, low, high = (100 * end for end in interval)
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"
