"""Runs on the same test videos: intervals of each row, and tests against the first run.

All rows of all runs are resampled together, so the intervals of differences are paired.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from stpn_jax.evaluation import intervals, paired
from stpn_jax.evaluation.intervals import Interval

Right = Mapping[str, Bool[np.ndarray, "n"]]
"""Row -> which test videos it has right."""


class Cell(NamedTuple):
    """A row of a run.

    Attributes:
        accuracy: mean class accuracy.
        difference: to the same row of the first run; None without one.
        test: the first run's row against this one; None without one.
    """

    accuracy: Interval
    difference: Interval | None
    test: paired.Paired | None


def compare(
    runs: Sequence[Right], labels: Int[np.ndarray, "n"], seed: int = 0
) -> dict[str, list[Cell | None]]:
    """The cells of every row by run, None where a run has no such row.

    Args:
        runs: the first is what the others are compared with.
        labels: classes of the test videos.
        seed: of the bootstrap.
    """
    rows = list(dict.fromkeys(row for run in runs for row in run))
    places = [(row, i) for row in rows for i, run in enumerate(runs) if row in run]
    pairs = [(row, i) for row, i in places if i and row in runs[0]]
    values = [runs[i][row].astype(float) for row, i in places]
    values += [runs[i][row].astype(float) - runs[0][row] for row, i in pairs]
    found = intervals.intervals(np.stack(values), labels, seed)
    accuracies = dict(zip(places, found, strict=False))
    differences = dict(zip(pairs, found[len(places) :], strict=True))

    def cell(row: str, run: int) -> Cell | None:
        if (row, run) not in accuracies:
            return None
        place = row, run
        is_pair = place in differences
        test = paired.mcnemar(runs[0][row], runs[run][row]) if is_pair else None
        return Cell(accuracies[place], differences.get(place), test)

    return {row: [cell(row, i) for i in range(len(runs))] for row in rows}
