"""The paper's Figure 5: features of the levels on a plane."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from stpn_jax.evaluation import embedding
from stpn_jax.figures import scatter
from stpn_jax.report.page import Numbers, Picture, Section

TITLE = "Features (the paper's Figure 5)"


def section(
    features: Mapping[str, Float[np.ndarray, "n _"]],
    names: Sequence[str],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    seed: int,
) -> Section:
    """t-SNE of each kind of feature.

    Args:
        features: of the same videos, by the title of their panel.
        names: of the videos.
        labels: their classes.
        classes: names by label.
        seed: of t-SNE.
    """
    if len(labels) < embedding.FEWEST:
        return Section(
            TITLE,
            [
                f"Left out: t-SNE of {len(labels)} videos says nothing; it takes "
                f"{embedding.FEWEST} or more."
            ],
        )
    planes = {name: embedding.tsne(one, seed) for name, one in features.items()}
    panels = [scatter.Panel(name, points) for name, points in planes.items()]
    caption = (
        f"t-SNE of {len(labels)} test videos, one snippet and the central view each. "
        "Near neighbours mean something; axes, distances between groups and their "
        "sizes do not."
    )
    numbers = _numbers(planes, names, [classes[label] for label in labels])
    picture = Picture(
        "features", scatter.draw(panels, labels, classes), caption, numbers
    )
    return Section(TITLE, [picture])


def _numbers(
    planes: Mapping[str, Float[np.ndarray, "n 2"]],
    names: Sequence[str],
    classes: Sequence[str],
) -> Numbers:
    header = (
        "video",
        "class",
        *(f"{name}, {axis}" for name in planes for axis in "xy"),
    )
    places = np.concatenate(list(planes.values()), axis=1).tolist()
    return Numbers(
        header,
        [(*told, *place) for *told, place in zip(names, classes, places, strict=True)],
    )
