"""Runs that were tested on the same videos beside each other, from what they wrote."""

import os
from collections.abc import Sequence

import numpy as np
from etils import epath

from stpn_jax.evaluation import intervals
from stpn_jax.experiment import run_dir
from stpn_jax.experiment.run_dir import Tested
from stpn_jax.figures import figures
from stpn_jax.report import page, side_by_side
from stpn_jax.utils import markdown
from stpn_jax.utils.errors import UsageError

STEM = "compare"


def write(folders: Sequence[str], out: epath.PathLike) -> str:
    """Writes compare.md, compare.csv and compare.png; returns the markdown.

    Args:
        folders: workdirs of the runs; the first is what the others are compared with.
        out: folder, made if absent.

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
    numbers = side_by_side.numbers(names, rows)
    (out / f"{STEM}.csv").write_bytes(page.as_csv(numbers))
    picture = side_by_side.draw(names, rows)
    (out / f"{STEM}.png").write_bytes(figures.png(picture))
    (out / f"{STEM}.md").write_bytes(text.encode(errors="replace"))
    return text


def describe(
    names: Sequence[str],
    folders: Sequence[str],
    rows: dict[str, list[intervals.Cell | None]],
    labels: np.ndarray,
) -> str:
    """The tables as markdown, with how they were made."""
    runs = "".join(
        f"- {name}: `{folder}`\n" for name, folder in zip(names, folders, strict=True)
    )
    note = (
        f"Mean class accuracy in percent on {len(labels)} test videos of "
        f"{len(np.unique(labels))} classes. Brackets hold {intervals.LEVEL:.0%}: "
        f"percentiles of {intervals.RESAMPLES} bootstrap resamples of the test videos "
        "of each class, the same ones for all rows and runs, so that differences are "
        "paired. They tell of the choice of test videos, not of the seed of a "
        "training, and have no width where nothing differs. p is the exact two-sided "
        "McNemar test on top-1; it is not adjusted for the number of rows.\n"
    )
    tables = [side_by_side.table(names, rows), side_by_side.differences(names, rows)]
    return "\n".join([runs, *(markdown.table(*one) for one in tables), note])


def short_names(folders: Sequence[str]) -> list[str]:
    """The ends of the paths that tell them apart."""
    parts = [os.path.normpath(folder).split(os.sep) for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{i}: {'/'.join(part)}" for i, part in enumerate(parts, 1)]


def check_same_videos(first: str, one: Tested, second: str, other: Tested) -> None:
    """Raises UsageError, saying what differs, unless two runs saw the same videos."""
    told = _difference(one, other)
    if told:
        raise UsageError(
            f"{first} and {second} were not tested on the same videos: {told}; only "
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
