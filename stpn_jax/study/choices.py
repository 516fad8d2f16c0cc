"""What is chosen before the study: on a validation part of the training groups.

A choice is a set of config fields under a name. Its rows are trained on three quarters
of the training groups, with a seed that the study does not use, and scored on the other
quarter; no test video is read.
"""

import dataclasses

import numpy as np
from etils import epath

from stpn_jax.data import labels
from stpn_jax.errors import UsageError
from stpn_jax.evaluation.paper import Row
from stpn_jax.experiment.setup import Experiment
from stpn_jax.report import page
from stpn_jax.study import answers, intervals
from stpn_jax.study.parts import Part

RUN = (1000, 1000)
OVERRIDES = ("--config.data.validation_fraction=0.25",)
FOLDER = "choices"


def hide_test(experiment: Experiment) -> Experiment:
    """The same with the validation part in the place of the test videos."""
    split = experiment.split
    if not len(split.validation):
        raise UsageError("there are no validation videos to choose by")
    none = np.array([], split.test.dtype)
    hidden = labels.Split(split.train, none, split.validation)
    return dataclasses.replace(experiment, split=hidden)


def table(part: Part, folder: epath.Path) -> str:
    """Mean class accuracy on the validation part: a line a row, a column a choice.

    Args:
        part: whose rows.
        folder: of the part's answers.
    """
    names = sorted(path.name for path in (folder / FOLDER).iterdir())
    lines = []
    for name, comparison in part.comparisons.items():
        for row in comparison.table.rows:
            for result in row.results:
                found = [_score(folder / FOLDER / n, name, row, result) for n in names]
                if any(found):
                    lines.append([f"{name}: {row.label}", result, *found])
    return page.markdown(page.Numbers(["row", "result", *names], lines))


def _score(folder: epath.Path, comparison: str, row: Row, result: str) -> str:
    path = folder / f"{comparison}.csv"
    column = answers.column(row.variant, result, *RUN)
    if not path.exists():
        return ""
    found = answers.read(path)
    if column not in found.predicted:
        return ""
    classes = np.unique(found.labels, return_inverse=True)[1]
    (accuracy,) = intervals.accuracies(found.right(column)[None], classes)
    return f"{100 * accuracy:.1f}"
