"""The sections on errors: confusions, and the paper's Figures 3 and 4 (cases)."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from stpn_jax.figures import error_figures
from stpn_jax.report.page import Block, Numbers, Picture, Section

CASES = "Mended and worse (the paper's Figures 3 and 4)"

_SHOWN, _TOP, _MOST_CONFUSIONS = 4, 5, 12
_KINDS = {
    "mended": "wrong before, right now",
    "worse": "right before, wrong now",
    "hard": "wrong in both",
}


def confusions(
    row: str, counts: Int[np.ndarray, "n n"], classes: Sequence[str]
) -> Section:
    """The confusion matrix and the most frequent confusions.

    Args:
        row: whose predictions they are.
        counts: of test videos, true class by predicted class.
        classes: names by label.
    """
    lines = [(one, *line) for one, line in zip(classes, counts.tolist(), strict=True)]
    numbers = Numbers(("truth", *classes), lines)
    caption = f"Test videos of each class by the class that the row {row} predicts."
    if empty := int((counts.sum(axis=1) == 0).sum()):
        caption += f" Classes without test videos stay white: {empty}."
    figure = error_figures.confusion_matrix(counts, classes)
    most = _most_frequent(counts, classes)
    table = Numbers(("truth", "answer", "videos"), most)
    blocks = [
        Picture("confusion", figure, caption, numbers),
        table if most else "No test video is confused with another class.",
    ]
    return Section("Confusion matrix", blocks)


def _most_frequent(
    counts: Int[np.ndarray, "n n"], classes: Sequence[str]
) -> list[tuple[str, str, int]]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        (classes[truth], classes[predicted], int(wrong[truth, predicted]))
        for truth, predicted in pairs
        if wrong[truth, predicted]
    ]


Rows = Mapping[str, Float[np.ndarray, "n classes"]]
"""Row of the results -> its probabilities; first the baseline, then the network."""


class Videos(NamedTuple):
    """The test videos: names, classes, names of the classes, some frames by index."""

    names: Sequence[str]
    labels: Int[np.ndarray, "n"]
    classes: Sequence[str]
    frames: Callable[[int], UInt8[np.ndarray, "t y x 3"]]


def cases(rows: Rows, videos: Videos) -> Section:
    """Counts the cases of each kind and shows the clearest ones.

    Args:
        rows: two of them, in the order of the videos.
        videos: the test videos.
    """
    (before, now), total = rows, len(videos.labels)
    kinds = select(rows[before], rows[now], videos.labels)
    counts = {"right in both": total - sum(map(len, kinds.values()))}
    counts |= {f"{kind}: {_KINDS[kind]}": len(found) for kind, found in kinds.items()}
    table = Numbers(
        (f"{now} against {before}", "videos", "share"),
        [(kind, count, f"{count / total:.1%}") for kind, count in counts.items()],
    )
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
        predicted = [_best(scores[i], videos.classes) for scores in rows.values()]
        truth = videos.classes[videos.labels[i]]
        clips.append(error_figures.Case(truth, videos.frames(i), predicted))
    caption = (
        f"{kind.capitalize()}, {_KINDS[kind]}: {len(clips)} of {len(found)} videos. "
        "The class in blue above the frames is the truth; plain green bars with a tick "
        "are right, hatched red ones wrong; their length is the probability."
    )
    figure = error_figures.cases(list(rows), clips)
    return Picture(f"cases_{kind}", figure, caption, _numbers(found, rows, videos))


def _best(
    probabilities: Float[np.ndarray, "classes"], classes: Sequence[str]
) -> tuple[list[str], list[float]]:
    best = np.argsort(-probabilities, kind="stable")[:_TOP]
    return [classes[i] for i in best], probabilities[best].tolist()


def _numbers(found: Sequence[int], rows: Rows, videos: Videos) -> Numbers:
    """All videos of a kind, also those that are not shown."""
    header = ["video", "truth"]
    for row in rows:
        header += [f"answer of {row}", "its probability", "that of the truth"]
    lines = []
    for video in found:
        truth = videos.labels[video]
        line: list[object] = [videos.names[video], videos.classes[truth]]
        for scores in rows.values():
            best = int(scores[video].argmax())
            line += [videos.classes[best], *scores[video, [best, truth]].tolist()]
        lines.append(line)
    return Numbers(header, lines)
