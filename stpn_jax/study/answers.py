"""What every run answered for every test video, as one small CSV file a comparison.

The first columns are video, group and label; then comes a column for each run, named
`VARIANT RESULT seed N` (with `sketch N` behind it where sketches were drawn again), of
predicted classes. Every interval of the study can be computed from it again.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath
from jaxtyping import Bool

from stpn_jax.utils.errors import UsageError

_FIXED = ("video", "group", "label")


@dataclasses.dataclass(frozen=True)
class Answers:
    """Predicted classes by run.

    Attributes:
        videos: names of the test videos.
        groups: group of each video's class; empty without groups.
        labels: true classes.
        predicted: by column, the class of each video.
    """

    videos: Sequence[str]
    groups: Sequence[str]
    labels: Sequence[str]
    predicted: Mapping[str, Sequence[str]]

    def right(self, column: str) -> Bool[np.ndarray, "n"]:
        """Which videos a run has right."""
        return np.array(self.predicted[column]) == np.array(self.labels)


def column(variant: str, result: str, seed: int, sketch: int) -> str:
    """Name of a run's column; a sketch seed of its own is told."""
    name = f"{variant} {result} seed {seed}"
    return name if sketch == seed else f"{name} sketch {sketch}"


def as_csv(answers: Answers) -> str:
    """The content of a file."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*_FIXED, *answers.predicted])
    fixed = (answers.videos, answers.groups, answers.labels)
    lines.writerows(zip(*fixed, *answers.predicted.values(), strict=True))
    return text.getvalue()


def read(path: epath.Path) -> Answers:
    """Reads a file.

    Raises:
        UsageError: it is not one that `write` wrote.
    """
    rows = list(csv.reader(io.StringIO(path.read_text())))
    if (
        len(rows) < 2
        or tuple(rows[0][:3]) != _FIXED
        or len({len(row) for row in rows}) > 1
    ):
        raise UsageError(f"{path}: not a table of answers ({', '.join(_FIXED)}, ...)")
    videos, groups, labels, *predicted = zip(*rows[1:], strict=True)
    by_run = dict(zip(rows[0][3:], predicted, strict=True))
    return Answers(videos, groups, labels, by_run)
