"""Scores per video, summed over snippets and views, and the metrics made from them."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int32, Int64

from stpn_jax.arrays import Array
from stpn_jax.utils import markdown


@dataclasses.dataclass
class Scores:
    """Sums of class probabilities; those of two hosts add up.

    Attributes:
        sums: over all samples of each video.
        counts: samples of each video.
    """

    sums: Float64[np.ndarray, "videos classes"]
    counts: Int64[np.ndarray, "videos"]

    @classmethod
    def empty(cls, videos: int, classes: int) -> "Scores":
        """No sample yet."""
        return cls(np.zeros((videos, classes)), np.zeros(videos, np.int64))

    def add(
        self,
        probabilities: Float[Array, "b classes"],
        video: Int32[Array, "b"],
        mask: Bool[Array, "b"],
    ) -> None:
        """Adds a batch; padded samples are masked out, none is dropped."""
        np.add.at(self.sums, video[mask], np.asarray(probabilities, np.float64)[mask])
        np.add.at(self.counts, video[mask], 1)

    def probabilities(
        self, videos: Int[np.ndarray, "n"]
    ) -> Float64[np.ndarray, "n classes"]:
        """Mean over the samples of each of these videos."""
        return self.sums[videos] / self.counts[videos, None]


@dataclasses.dataclass(frozen=True)
class Metrics:
    """What is reported of one row.

    Attributes:
        mean_class_accuracy: mean over classes of the share of right videos: the
            field's number.
        top1: share of right videos.
        top5: share of videos with their class among the best five.
        per_class: accuracy by class name, for the classes that have videos.
        per_group: mean class accuracy by group name; empty without groups.
        confusion: counts, true class by predicted class.
    """

    mean_class_accuracy: float
    top1: float
    top5: float
    per_class: dict[str, float]
    per_group: dict[str, float]
    confusion: list[list[int]]


def compute(
    probabilities: Float64[np.ndarray, "n classes"],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    groups: dict[str, str],
) -> Metrics:
    """Metrics of per-video probabilities.

    Args:
        probabilities: one row a video.
        labels: true classes.
        classes: names by index.
        groups: class name -> group name, or empty.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    totals = confusion.sum(axis=1)
    per_class = {
        name: float(confusion[i, i] / totals[i])
        for i, name in enumerate(classes)
        if totals[i]
    }
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    return Metrics(
        mean_class_accuracy=float(np.mean(list(per_class.values()))),
        top1=float(np.mean(predicted == labels)),
        top5=float(np.mean((best == labels[:, None]).any(axis=1))),
        per_class=per_class,
        per_group=_by_group(per_class, groups),
        confusion=confusion.tolist(),
    )


def _by_group(per_class: dict[str, float], groups: dict[str, str]) -> dict[str, float]:
    members: dict[str, list[float]] = {}
    for name, accuracy in per_class.items():
        if name in groups:
            members.setdefault(groups[name], []).append(accuracy)
    return {name: float(np.mean(members[name])) for name in sorted(members)}


def result_name(*stages: str) -> str:
    """Name in results.json of one stage's scores, or of the average of two stages'."""
    return f"average of {' and '.join(stages)}" if len(stages) > 1 else stages[0]


def table(results: Mapping[str, Metrics]) -> str:
    """A line a result: mean class accuracy, top-1, top-5, the groups, in percent."""
    groups = sorted({group for one in results.values() for group in one.per_group})
    lines = []
    for name, one in results.items():
        values = [one.mean_class_accuracy, one.top1, one.top5]
        values += [one.per_group[group] for group in groups]
        lines.append([name, *(f"{100 * value:.1f}" for value in values)])
    header = ["row", "mean class accuracy", "top-1", "top-5", *groups]
    return markdown.table(header, lines)
