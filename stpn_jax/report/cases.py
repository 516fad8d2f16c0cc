"""The paper's Figures 3 and 4: which clips a network mends, and which get worse."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from stpn_jax.figures import verdicts
from stpn_jax.report.page import Numbers, Picture, Section

TITLE = "Mended and worse (the paper's Figures 3 and 4)"
SHOWN = 4
"""Clips of a kind that are drawn."""

_TOP = 5
Frames = Callable[[int], UInt8[np.ndarray, "t y x 3"]]

_KINDS = {
    "mended": ("wrong before, right now", "right"),
    "worse": ("right before, wrong now", "wrong"),
    "hard": ("wrong in both", "wrong"),
}


class Answers(NamedTuple):
    """What a row of the results says of the test videos."""

    row: str
    probabilities: Float[np.ndarray, "n classes"]


class Videos(NamedTuple):
    """The test videos: names, classes, and the names of those."""

    names: Sequence[str]
    labels: Int[np.ndarray, "n"]
    classes: Sequence[str]


def section(before: Answers, now: Answers, videos: Videos, frames: Frames) -> Section:
    """Draws the clearest cases of each kind and counts them all.

    Args:
        before: the baseline.
        now: the network that is shown.
        videos: which they answered for.
        frames: some frames of a video by its place in those.
    """
    kinds = select(before.probabilities, now.probabilities, videos.labels)
    count = len(videos.labels)
    agree = count - sum(map(len, kinds.values()))
    table = Numbers(
        (f"{now.row} against {before.row}", "videos", "share"),
        [
            (label, number, f"{number / count:.1%}")
            for label, number in (
                ("right in both", agree),
                *((f"{kind}: {_KINDS[kind][0]}", len(v)) for kind, v in kinds.items()),
            )
        ],
    )
    blocks: list[str | Numbers | Picture] = [table]
    for kind, found in kinds.items():
        if len(found):
            blocks.append(_picture(kind, found, before, now, videos, frames))
        else:
            blocks.append(f"No test video is {_KINDS[kind][0]}.")
    return Section(TITLE, blocks)


def select(
    before: Float[np.ndarray, "n classes"],
    now: Float[np.ndarray, "n classes"],
    labels: Int[np.ndarray, "n"],
) -> dict[str, Int[np.ndarray, "_"]]:
    """Videos by kind, the largest change of the true class's probability first.

    Mended and hard ones begin with what it gained most in, worse ones with what it
    lost most in. The best of every class come before the second best of any.
    """
    was_right, is_right = (one.argmax(axis=1) == labels for one in (before, now))
    every = np.arange(len(labels))
    gain = now[every, labels] - before[every, labels]
    kinds = {
        "mended": (~was_right & is_right, gain),
        "worse": (was_right & ~is_right, -gain),
        "hard": (~was_right & ~is_right, gain),
    }
    return {
        kind: _spread(np.flatnonzero(mask), value, labels)
        for kind, (mask, value) in kinds.items()
    }


def _spread(
    videos: Int[np.ndarray, "_"],
    value: Float[np.ndarray, "n"],
    labels: Int[np.ndarray, "n"],
) -> Int[np.ndarray, "_"]:
    """Videos by falling value, in rounds with one video of each class at most."""
    ordered = sorted(videos.tolist(), key=lambda video: -value[video])
    turns: dict[int, int] = {}
    ranked = []
    for place, video in enumerate(ordered):
        label = int(labels[video])
        turns[label] = turns.get(label, -1) + 1
        ranked.append((turns[label], place, video))
    return np.array([video for *_, video in sorted(ranked)], np.int64)


def _picture(
    kind: str,
    found: Int[np.ndarray, "_"],
    before: Answers,
    now: Answers,
    videos: Videos,
    frames: Frames,
) -> Picture:
    shown = found[:SHOWN].tolist()
    drawn = [
        verdicts.Case(
            videos.names[i],
            videos.classes[videos.labels[i]],
            frames(i),
            [_answer(row, i, videos.classes) for row in (before, now)],
        )
        for i in shown
    ]
    caption = (
        f"{kind.capitalize()}, {_KINDS[kind][0]}: {len(shown)} of {len(found)} videos. "
        "The class in blue above the frames is the truth; plain green bars with a tick "
        "are right, hatched red ones wrong; their length is the confidence."
    )
    figure = verdicts.draw([before.row, now.row], drawn)
    numbers = _numbers(found, before, now, videos)
    return Picture(f"cases_{kind}", figure, caption, numbers)


def _answer(row: Answers, video: int, classes: Sequence[str]) -> verdicts.Answer:
    probabilities = row.probabilities[video]
    best = np.argsort(-probabilities, kind="stable")[:_TOP]
    return verdicts.Answer([classes[i] for i in best], probabilities[best].tolist())


def _numbers(
    found: Int[np.ndarray, "_"], before: Answers, now: Answers, videos: Videos
) -> Numbers:
    """Of all videos of a kind, also those that are not drawn."""
    header = ["video", "truth"]
    for row in (before, now):
        header += [f"answer of {row.row}", "its probability", "that of the truth"]
    lines = []
    for video in found.tolist():
        truth = videos.labels[video]
        line: list[object] = [videos.names[video], videos.classes[truth]]
        for row in (before, now):
            values = row.probabilities[video]
            best = int(values.argmax())
            line += [videos.classes[best], float(values[best]), float(values[truth])]
        lines.append(line)
    return Numbers(header, lines)
