"""The paper's Figure 5: features of the levels on a plane."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

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
    if len(labels) < FEWEST:
        return Section(
            TITLE,
            [
                f"Left out: t-SNE of {len(labels)} videos says nothing; it takes "
                f"{FEWEST} or more."
            ],
        )
    planes = {name: tsne(one, seed) for name, one in features.items()}
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


FEWEST = 4
"""Points: below, neighbours say nothing."""

_PERPLEXITY = 30.0  # scikit-learn's default, and that of the method's authors


def tsne(features: Float[np.ndarray, "n d"], seed: int) -> Float[np.ndarray, "n 2"]:
    """Places points so that near neighbours in d dimensions stay near.

    The perplexity, about the number of neighbours that count, is 30 or a third of the
    others where there are few. Only neighbourhoods mean something: axes, distances
    between groups and their sizes do not.

    Args:
        features: one row a point, at least FEWEST.
        seed: of the optimisation; it starts from the first two principal components.
    """
    from sklearn import manifold  # Slow to import, and needed for this alone.

    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    method = manifold.TSNE(
        perplexity=perplexity, init=_start(features), random_state=seed
    )
    return np.asarray(method.fit_transform(features.astype(np.float32)))


def _start(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    """The first two principal components, small as t-SNE wants them; noise for none."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(features), 2))
    plane[:, : len(lengths)] = (left * lengths)[:, :2]
    # Points that coincide would be pushed along one line for ever.
    plane += 1e-3 * plane.std() * np.random.default_rng(0).standard_normal(plane.shape)
    return (1e-4 * plane / max(plane.std(), 1e-12)).astype(np.float32)
