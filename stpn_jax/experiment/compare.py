"""Compares runs that were tested on the same videos, by the files in their workdirs."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath
from matplotlib.figure import Figure

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.intervals import Cell, Interval
from stpn_jax.experiment import run_dir
from stpn_jax.experiment.run_dir import Tested
from stpn_jax.figures import charts, style
from stpn_jax.report import page
from stpn_jax.report.page import Numbers
from stpn_jax.utils import markdown
from stpn_jax.utils.errors import UsageError

Rows = Mapping[str, Sequence[Cell | None]]
"""Network -> its cell in each run."""


def write(folders: Sequence[str], out: epath.PathLike) -> str:
    """Compares workdirs with the first in files compare.*; returns the markdown.

    Raises:
        UsageError: fewer than two, one that is not tested, or other test videos.
    """
    if len(folders) < 2:
        raise UsageError(f"--runs={','.join(folders)}: expected two workdirs or more")
    tested = [run_dir.read_tested(epath.Path(folder)) for folder in folders]
    for folder, one in zip(folders[1:], tested[1:], strict=True):
        check_same_videos(folders[0], tested[0], folder, one)
    labels = tested[0].labels
    right = [
        {row: p.argmax(axis=1) == labels for row, p in one.probabilities.items()}
        for one in tested
    ]
    names, rows = short_names(folders), intervals.compare(right, labels)
    text = describe(names, folders, rows, labels)
    out = epath.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.csv").write_bytes(page.as_csv(numbers(names, rows)))
    (out / "compare.png").write_bytes(style.png(draw(names, rows)))
    (out / "compare.md").write_bytes(text.encode(errors="replace"))
    return text


def describe(
    names: Sequence[str], folders: Sequence[str], rows: Rows, labels: np.ndarray
) -> str:
    """The tables as markdown, with how they were made."""
    pairs = zip(names, folders, strict=True)
    runs = "".join(f"- {name}: `{folder}`\n" for name, folder in pairs)
    note = (
        f"Mean class accuracy in percent on {len(labels)} test videos of "
        f"{len(np.unique(labels))} classes. Brackets hold {intervals.LEVEL:.0%}: "
        f"percentiles of {intervals.RESAMPLES} bootstrap resamples of the test videos "
        "of each class, the same ones for all rows and runs, so that differences are "
        "paired. They reflect the choice of test videos, not the seed of the "
        "training, and have no width where nothing differs. p is the exact two-sided "
        "McNemar test on top-1; it is not adjusted for the number of rows.\n"
    )
    tables = [table(names, rows), differences(names, rows)]
    return "\n".join([runs, *(markdown.table(*one) for one in tables), note])


def table(runs: Sequence[str], rows: Rows) -> Numbers:
    """Mean class accuracy with its interval in percent: rows down, runs across."""
    lines = [
        (row, *("-" if cell is None else _percent(cell.accuracy) for cell in cells))
        for row, cells in rows.items()
    ]
    return Numbers(("row", *runs), lines)


def differences(runs: Sequence[str], rows: Rows) -> Numbers:
    """Each row of each later run against the same row of the first run."""
    first = runs[0]
    header = ["row", "run", f"difference to {first}"]
    header += ["only this run right", f"only {first} right", "p (exact McNemar)"]
    lines = []
    for row, cells in rows.items():
        for run, cell in zip(runs, cells, strict=True):
            if cell and cell.difference and cell.test:
                test, difference = cell.test, _percent(cell.difference, "+")
                counts = test.only_second, test.only_first, f"{test.p:.2g}"
                lines.append((row, run, difference, *counts))
    return Numbers(header, lines)


def numbers(runs: Sequence[str], rows: Rows) -> Numbers:
    """Everything, unrounded, with shares from 0 to 1."""
    header = ["row", "run", "mean class accuracy", "low", "high"]
    header += ["difference", "difference low", "difference high"]
    header += ["only first right", "only this right", "p"]
    blank = [""] * 3
    lines = [
        (row, run, *cell.accuracy, *(cell.difference or blank), *(cell.test or blank))
        for row, cells in rows.items()
        for run, cell in zip(runs, cells, strict=True)
        if cell
    ]
    return Numbers(header, lines)


def draw(runs: Sequence[str], rows: Rows) -> Figure:
    """Every row with a dot and an interval for each run."""
    series = []
    for index, run in enumerate(runs):
        cells = (cells[index] for cells in rows.values())
        ends = np.array([cell.accuracy if cell else [np.nan] * 3 for cell in cells])
        series.append(charts.Series(run, *(100 * ends.T).tolist()))
    quantity = f"mean class accuracy in %, with {intervals.LEVEL:.0%} intervals"
    return charts.dots(list(rows), series, quantity, (0.0, 100.0))


def _percent(interval: Interval, sign: str = "") -> str:
    value, low, high = (100 * end for end in interval)
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def short_names(folders: Sequence[str]) -> list[str]:
    """The shortest ends of the paths that differ."""
    parts = [os.path.normpath(folder).split(os.sep) for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{i}: {'/'.join(part)}" for i, part in enumerate(parts, 1)]


def check_same_videos(first: str, one: Tested, second: str, other: Tested) -> None:
    """Raises a UsageError if names, order, classes or contents of the videos differ."""
    if reason := _difference(one, other):
        raise UsageError(
            f"{first} and {second} were not tested on the same videos: {reason}; only "
            "runs on one data set and split can be compared"
        )


def _difference(one: Tested, other: Tested) -> str:
    a, b = set(one.videos), set(other.videos)
    if a != b:
        return (
            f"{len(a)} and {len(b)}, of which {len(a & b)} are common; "
            f"{min(a ^ b)} is in one of them alone"
        )
    if one.classes != other.classes:
        alone = set(one.classes) ^ set(other.classes)
        return f"their classes differ ({', '.join(sorted(alone)[:5]) or 'in order'})"
    if one.videos != other.videos or not np.array_equal(one.labels, other.labels):
        return "their order or classes differ"
    if one.prepared == other.prepared and one.digest != other.digest:
        return "they have the same names but other contents"
    return ""
