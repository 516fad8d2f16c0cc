"""What is chosen before the study: on a validation part of the training groups.

A choice is a set of config fields under a name. Its rows are trained on three quarters
of the training groups, with a seed that the study does not use, and scored on the other
quarter; no test video is read.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from etils import epath

from stpn_jax.datasets import official_splits
from stpn_jax.evaluation.paper import Row
from stpn_jax.experiment.setup import Experiment
from stpn_jax.report import page
from stpn_jax.study import answers, book, intervals
from stpn_jax.study.parts import Part
from stpn_jax.utils.errors import UsageError

RUN = (1000, 1000)
OVERRIDES = ("--config.data.validation_fraction=0.25",)
FOLDER = "choices"


def hide_test(experiment: Experiment) -> Experiment:
    """The same with the validation part in the place of the test videos."""
    split = experiment.split
    if not len(split.validation):
        raise UsageError("there are no validation videos to choose by")
    none = np.array([], split.test.dtype)
    hidden = official_splits.Split(split.train, none, split.validation)
    return dataclasses.replace(experiment, split=hidden)


def table(part: Part, folder: epath.Path) -> str:
    """Mean class accuracy on the validation part: a line a row, a column a choice.

    Args:
        part: whose rows.
        folder: of the part's answers.

    Raises:
        UsageError: a file of answers is not the one written, or has other videos.
    """
    names = sorted(path.name for path in (folder / FOLDER).iterdir())
    books = [book.Book(folder / FOLDER / name) for name in names]
    lines = []
    for name, comparison in part.comparisons.items():
        found = [one.answers(name) for one in books]
        _check_alike(folder / FOLDER, name, dict(zip(names, found, strict=True)))
        for row in comparison.table.rows:
            for result in row.results:
                scores = [_score(one, row, result) for one in found]
                if any(scores):
                    lines.append([f"{name}: {row.label}", result, *scores])
    return page.markdown(page.Numbers(["row", "result", *names], lines))


def _check_alike(
    folder: epath.Path, comparison: str, found: Mapping[str, answers.Answers | None]
) -> None:
    """Raises UsageError if the choices answered different videos."""
    first = ""
    for name, one in found.items():
        if one is None:
            continue
        first = first or name
        if list(one.videos) != list(found[first].videos):  # type: ignore[union-attr]
            raise UsageError(
                f"{folder}: {comparison}.csv of {first} and of {name} answer different "
                "videos; delete one of the two folders, or choose another --results"
            )


def _score(found: answers.Answers | None, row: Row, result: str) -> str:
    column = answers.column(row.variant, result, *RUN)
    if found is None or column not in found.predicted:
        return ""
    classes = np.unique(found.labels, return_inverse=True)[1]
    (accuracy,) = intervals.accuracies(found.right(column)[None], classes)
    return f"{100 * accuracy:.1f}"
