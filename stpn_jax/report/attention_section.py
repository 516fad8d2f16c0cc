"""The sections on attention: clips with their attention, and its share inside boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stpn_jax.evaluation.attention_share import Share
from stpn_jax.figures import attention_figure, charts
from stpn_jax.report.page import Numbers, Picture, Section

CLIPS = "Attention over frames, beside the flow"
INSIDE = "Attention inside of the boxes"


def clips(shown: Sequence[attention_figure.Clip], limit: float) -> Section:
    """Shows at least one clip; flow of `limit` pixels or more is fully saturated."""
    cells = shown[0].attention.size
    strongest = np.mean([clip.attention.max() for clip in shown])
    caption = (
        "Left the frame, in the middle the attention over it (grey is outside of the "
        f"network's crop), right the flow. Each tint is relative to the clip's "
        f"strongest cell, which has {strongest:.0%} of the attention on average over "
        f"these clips; an even map of {cells} cells would have {1 / cells:.0%}."
    )
    if any(clip.boxes for clip in shown):
        caption += " The rectangles are those of the box file."
    lines = [
        (clip.name, y, x, float(value))
        for clip in shown
        for (y, x), value in np.ndenumerate(clip.attention)
    ]
    numbers = Numbers(("clip", "row", "column", "attention"), lines)
    figure = attention_figure.draw(shown, limit)
    return Section(CLIPS, [Picture("attention", figure, caption, numbers)])


class Measured(NamedTuple):
    """The attention of one video against its boxes."""

    video: str
    label: str
    group: str
    share: Share


def inside(measured: Sequence[Measured]) -> Section:
    """The share of the attention inside of boxes, against their share of the area."""
    parts = {"all": list(measured)}
    for field in ("group", "label") if measured[0].group else ("label",):
        for one in sorted(measured, key=lambda one: getattr(one, field)):
            parts.setdefault(getattr(one, field), []).append(one)
    means = {
        name: Share(*np.mean([one.share for one in part], axis=0).tolist())
        for name, part in parts.items()
    }
    header = ["part", "videos", "attention inside, %", "area inside, %", "ratio"]
    header += ["best cell alone, %", "strongest cell inside, % of videos"]
    lines = [(name, len(parts[name]), *_texts(mean)) for name, mean in means.items()]
    series = [
        charts.Series("attention inside", [100 * one.mass for one in means.values()]),
        charts.Series("area inside", [100 * one.area for one in means.values()]),
    ]
    rows = [(*names, *share) for *names, share in measured]
    numbers = Numbers(("video", "class", "group", *Share._fields), rows)
    caption = (
        "Means over videos. The area is what an even map would have inside; the best "
        "cell alone is what a map would have that is all in one cell."
    )
    figure = charts.dots(list(parts), series, "share in %")
    picture = Picture("inside", figure, caption, numbers)
    return Section(INSIDE, [Numbers(header, lines), picture])


def _texts(mean: Share) -> tuple[str, ...]:
    mass, area, most = (f"{100 * share:.1f}" for share in mean[:3])
    ratio = f"{mean.mass / mean.area:.1f}" if mean.area else "-"
    return mass, area, ratio, most, f"{100 * mean.hit:.0f}"
