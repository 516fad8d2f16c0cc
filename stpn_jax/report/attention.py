"""The sections on attention: where the network looks, and how much of it is inside."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stpn_jax.evaluation.attention_share import Share
from stpn_jax.figures import dots, gaze
from stpn_jax.report.page import Numbers, Picture, Section

TITLE, INSIDE = (
    "Attention over frames, beside the flow",
    "Attention inside of the boxes",
)
ALL = "all"


class Measured(NamedTuple):
    """The attention of one video against its boxes."""

    video: str
    label: str
    group: str
    share: Share


def section(looks: Sequence[gaze.Look], limit: float) -> Section:
    """Draws clips with their attention.

    Args:
        looks: at least one.
        limit: length of a displacement in pixels that has the full colour.
    """
    cells = looks[0].attention.size
    strongest = np.mean([look.attention.max() for look in looks])
    caption = (
        "Left the frame, in the middle the attention over it (grey is outside of what "
        f"the network saw), right the flow. Each tint is relative to the clip's "
        f"strongest cell, which has {strongest:.0%} of the attention on average over "
        f"these clips; an even map of {cells} cells would have {1 / cells:.0%}."
    )
    if any(look.boxes for look in looks):
        caption += " Boxes mark what the file of boxes names."
    numbers = Numbers(
        ("clip", "row", "column", "attention"),
        [
            (look.name, y, x, float(value))
            for look in looks
            for (y, x), value in np.ndenumerate(look.attention)
        ],
    )
    picture = Picture("attention", gaze.draw(looks, limit), caption, numbers)
    return Section(TITLE, [picture])


def inside(measured: Sequence[Measured]) -> Section:
    """The share of the attention inside of boxes, against their share of the area."""
    groups = _parts(measured, "group") if measured[0].group else {}
    classes = _parts(measured, "label")
    parts = {ALL: list(measured), **groups, **classes}
    table = Numbers(
        (
            "part",
            "videos",
            "attention inside, %",
            "area inside, %",
            "ratio",
            "best cell alone, %",
            "strongest cell inside, % of videos",
        ),
        [(name, len(part), *_summary(part)) for name, part in parts.items()],
    )
    series = [
        dots.Series(
            "attention inside", [100 * _mean(p, "mass") for p in parts.values()]
        ),
        dots.Series("area inside", [100 * _mean(p, "area") for p in parts.values()]),
    ]
    numbers = Numbers(
        ("video", "class", "group", *Share._fields),
        [(one.video, one.label, one.group, *one.share) for one in measured],
    )
    caption = (
        "Means over videos. The area is what an even map would have inside; the best "
        "cell alone is what a map would have that is all in one cell."
    )
    figure = dots.draw(list(parts), series, "share in %")
    return Section(INSIDE, [table, Picture("inside", figure, caption, numbers)])


def _parts(measured: Sequence[Measured], field: str) -> dict[str, list[Measured]]:
    parts: dict[str, list[Measured]] = {}
    for one in sorted(measured, key=lambda one: getattr(one, field)):
        parts.setdefault(getattr(one, field), []).append(one)
    return parts


def _mean(part: Sequence[Measured], field: str) -> float:
    return float(np.mean([getattr(one.share, field) for one in part]))


def _summary(part: Sequence[Measured]) -> tuple[str, ...]:
    mass, area, most, hit = (_mean(part, field) for field in Share._fields)
    return (
        f"{100 * mass:.1f}",
        f"{100 * area:.1f}",
        f"{mass / area:.1f}" if area else "-",
        f"{100 * most:.1f}",
        f"{100 * hit:.0f}",
    )
