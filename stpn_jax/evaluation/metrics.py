"""Metrics of per-video probabilities, and the table of results."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int

from stpn_jax.evaluation import intervals
from stpn_jax.utils import markdown


@dataclasses.dataclass(frozen=True)
class Metrics:
    """Metrics of one network or average of networks.

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
    """Metrics of per-video probabilities; `groups` are names by class, or empty."""
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    (mean,) = intervals.class_means(right[None].astype(float), labels)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    counts = zip(classes, np.diag(confusion), confusion.sum(axis=1), strict=True)
    per_class = {name: float(hit / total) for name, hit, total in counts if total}
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    return Metrics(
        mean_class_accuracy=float(mean),
        top1=float(np.mean(right)),
        top5=float(np.mean((best == labels[:, None]).any(axis=1))),
        per_class=per_class,
        per_group=_by_group(per_class, groups),
        confusion=confusion.tolist(),
    )


def _by_group(per_class: dict[str, float], groups: dict[str, str]) -> dict[str, float]:
    members = {
        group: [per_class[name] for name in per_class if groups.get(name) == group]
        for group in sorted(set(groups.values()))
    }
    return {group: float(np.mean(found)) for group, found in members.items() if found}


def result_name(*stages: str) -> str:
    """Name in results.json of one stage's scores, or of the average of two stages'."""
    return f"average of {' and '.join(stages)}" if len(stages) > 1 else stages[0]


def results_table(results: Mapping[str, Metrics]) -> str:
    """A line a result: mean class accuracy, top-1, top-5, the groups, in percent."""
    groups = sorted({group for one in results.values() for group in one.per_group})
    lines = []
    for name, one in results.items():
        values = [one.mean_class_accuracy, one.top1, one.top5]
        values += [one.per_group[group] for group in groups]
        lines.append([name, *(f"{100 * value:.1f}" for value in values)])
    header = ["row", "mean class accuracy", "top-1", "top-5", *groups]
    return markdown.table(header, lines)
