"""The sections on predictions: accuracy, confusions, and what changed (cases)."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from stpn_jax.evaluation import intervals
from stpn_jax.evaluation.metrics import Metrics
from stpn_jax.figures import charts, prediction_figure
from stpn_jax.report.page import Block, Numbers, Picture, Section

CASES = "Mended and worse (the paper's Figures 3 and 4)"

_SHOWN, _TOP, _MOST_CONFUSIONS = 4, 5, 12
_KINDS = {
    "mended": "wrong before, right now",
    "worse": "right before, wrong now",
    "hard": "wrong in both",
}


def accuracy(
    rows: Mapping[str, Metrics],
    right: Mapping[str, Bool[np.ndarray, "n"]],
    labels: Int[np.ndarray, "n"],
    reference: str,
) -> Section:
    """Every row with its interval, by group and by class.

    Args:
        rows: metrics by row.
        right: which test videos each row has right.
        labels: their classes.
        reference: row that the others are tested against; empty for none.
    """
    blocks: list[Block] = [
        _table(rows, right, labels),
        f"Intervals hold {intervals.LEVEL:.0%}: {intervals.RESAMPLES} resamples of the "
        "test videos of each class. They reflect the choice of test videos, not the "
        "seed of the training. Where every class is all right or all wrong they have "
        "no width, which is no sign of certainty.",
    ]
    if reference and len(rows) > 1:
        blocks.append(_tests(right, reference))
    groups = {name: row.per_group for name, row in rows.items()}
    if any(groups.values()):
        caption = "Mean class accuracy of each group of classes."
        blocks.append(_dots("groups", groups, caption))
    else:
        blocks.append("The classes have no groups, so there are no results by group.")
    classes = {name: row.per_class for name, row in rows.items()}
    caption = "Accuracy of each class that has test videos."
    blocks.append(_dots("classes", classes, caption))
    return Section("Accuracy", blocks)


def _table(
    rows: Mapping[str, Metrics],
    right: Mapping[str, Bool[np.ndarray, "n"]],
    labels: Int[np.ndarray, "n"],
) -> Numbers:
    values = np.stack([right[name] for name in rows]).astype(float)
    ends = intervals.intervals(values, labels)
    lines = []
    for (name, row), (_, low, high) in zip(rows.items(), ends, strict=True):
        shares = row.mean_class_accuracy, low, high, row.top1, row.top5
        mean, start, end, *top = (f"{100 * share:.1f}" for share in shares)
        lines.append((name, mean, f"{start} to {end}", *top))
    return Numbers(("row", "mean class accuracy", "interval", "top-1", "top-5"), lines)


def _tests(right: Mapping[str, Bool[np.ndarray, "n"]], reference: str) -> Numbers:
    header = [f"against {reference}", "only this row right", "only the other right"]
    lines = []
    for name, own in right.items():
        if name != reference:
            test = intervals.mcnemar(own, right[reference])
            lines.append((name, test.only_first, test.only_second, f"{test.p:.2g}"))
    return Numbers([*header, "p (exact McNemar)"], lines)


def _dots(
    name: str, accuracies: Mapping[str, Mapping[str, float]], caption: str
) -> Picture:
    """Accuracies by row, then by group or class."""
    labels = sorted({label for values in accuracies.values() for label in values})
    series = [
        charts.Series(row, [100 * values.get(label, np.nan) for label in labels])
        for row, values in accuracies.items()
    ]
    lines = [
        (label, *(values.get(label, "") for values in accuracies.values()))
        for label in labels
    ]
    figure = charts.dots(labels, series, "accuracy in %", (0.0, 100.0))
    return Picture(name, figure, caption, Numbers((name, *accuracies), lines))


def confusions(
    row: str, counts: Int[np.ndarray, "n n"], classes: Sequence[str]
) -> Section:
    """The confusion matrix of a row, true by predicted class, and its largest cells."""
    lines = [(one, *line) for one, line in zip(classes, counts.tolist(), strict=True)]
    numbers = Numbers(("truth", *classes), lines)
    caption = f"Test videos of each class by the class that the row {row} predicts."
    if empty := int((counts.sum(axis=1) == 0).sum()):
        caption += f" Classes without test videos stay white: {empty}."
    figure = charts.confusion_matrix(counts, classes)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    most = [
        (classes[truth], classes[predicted], int(wrong[truth, predicted]))
        for truth, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[truth, predicted]
    ]
    table = Numbers(("truth", "prediction", "videos"), most)
    blocks = [
        Picture("confusion", figure, caption, numbers),
        table if most else "No test video is confused with another class.",
    ]
    return Section("Confusion matrix", blocks)


Rows = Mapping[str, Float[np.ndarray, "n classes"]]
"""Network -> its probabilities; first the baseline."""


class Videos(NamedTuple):
    """The test videos: names, classes, names of the classes, some frames by index."""

    names: Sequence[str]
    labels: Int[np.ndarray, "n"]
    classes: Sequence[str]
    frames: Callable[[int], UInt8[np.ndarray, "t y x 3"]]


def cases(rows: Rows, videos: Videos) -> Section:
    """Counts the cases of each kind between two rows and shows the clearest ones."""
    (before, now), total = rows, len(videos.labels)
    kinds = select(rows[before], rows[now], videos.labels)
    counts = {"right in both": total - sum(map(len, kinds.values()))}
    counts |= {f"{kind}: {_KINDS[kind]}": len(found) for kind, found in kinds.items()}
    lines = [(kind, count, f"{count / total:.1%}") for kind, count in counts.items()]
    table = Numbers((f"{now} against {before}", "videos", "share"), lines)
    blocks: list[Block] = [table]
    for kind, found in kinds.items():
        missing = f"No test video is {_KINDS[kind]}."
        blocks.append(_picture(kind, found, rows, videos) if found else missing)
    return Section(CASES, blocks)


def select(
    before: Float[np.ndarray, "n classes"],
    now: Float[np.ndarray, "n classes"],
    labels: Int[np.ndarray, "n"],
) -> dict[str, list[int]]:
    """Videos by kind, the largest change of the true class's probability first.

    Mended and hard ones are sorted by gain, worse ones by loss. The best of every class
    come before the second best of any.
    """
    was_right, is_right = (one.argmax(axis=1) == labels for one in (before, now))
    every = np.arange(len(labels))
    gain = now[every, labels] - before[every, labels]
    return {
        "mended": _rank(~was_right & is_right, gain, labels),
        "worse": _rank(was_right & ~is_right, -gain, labels),
        "hard": _rank(~was_right & ~is_right, gain, labels),
    }


def _rank(
    mask: np.ndarray, value: Float[np.ndarray, "n"], labels: Int[np.ndarray, "n"]
) -> list[int]:
    """Videos by falling value, in rounds with at most one video of each class."""
    ordered = sorted(np.flatnonzero(mask).tolist(), key=lambda video: -value[video])
    turns = earlier(labels[ordered])
    return [ordered[i] for i in np.argsort(turns, kind="stable")]


def earlier(labels: Int[np.ndarray, "n"]) -> list[int]:
    """How many earlier elements have the same label, for each element."""
    return [int(np.sum(labels[:i] == label)) for i, label in enumerate(labels)]


def _picture(kind: str, found: Sequence[int], rows: Rows, videos: Videos) -> Picture:
    clips = []
    for i in found[:_SHOWN]:
        predicted = []
        for scores in rows.values():
            best = np.argsort(-scores[i], kind="stable")[:_TOP]
            names = [videos.classes[label] for label in best]
            predicted.append((names, scores[i, best].tolist()))
        truth = videos.classes[videos.labels[i]]
        clips.append(prediction_figure.Case(truth, videos.frames(i), predicted))
    caption = (
        f"{kind.capitalize()}, {_KINDS[kind]}: {len(clips)} of {len(found)} videos. "
        "The class in blue above the frames is the truth; plain green bars with a tick "
        "are right, hatched red ones wrong; their length is the probability."
    )
    figure = prediction_figure.cases(list(rows), clips)
    return Picture(f"cases_{kind}", figure, caption, _numbers(found, rows, videos))


def _numbers(found: Sequence[int], rows: Rows, videos: Videos) -> Numbers:
    """All videos of a kind, also those that are not shown."""
    header = ["video", "truth"]
    for row in rows:
        header += [f"prediction of {row}", "its probability", "that of the truth"]
    lines = []
    for video in found:
        truth = videos.labels[video]
        line: list[object] = [videos.names[video], videos.classes[truth]]
        for scores in rows.values():
            best = int(scores[video].argmax())
            line += [videos.classes[best], *scores[video, [best, truth]].tolist()]
        lines.append(line)
    return Numbers(header, lines)
