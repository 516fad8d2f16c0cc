"""The sections on learning: curves of every stage, throughput, t-SNE of features."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from stpn_jax.figures import charts
from stpn_jax.report.page import Block, Numbers, Picture, Section

Logged = Sequence[Mapping[str, Any]]
"""The metrics of a stage at each step that was logged."""

_LOSS, _ACCURACY, _RATE = "loss", "accuracy", "snippets_per_second"
_VALIDATION = "validation_mean_class_accuracy"


def curves(stages: Mapping[str, Logged]) -> Section:
    """Loss, and accuracy in training and validation, of each stage."""
    panels = [_panels(name, logged) for name, logged in stages.items() if logged]
    blocks: list[Block] = []
    if panels:
        numbers = _numbers(stages, _LOSS, _ACCURACY, _VALIDATION)
        caption = (
            "Loss and accuracy of a training batch, and mean class accuracy on the "
            "validation part (one snippet and one crop a video)."
        )
        blocks.append(Picture("learning", charts.curves(panels), caption, numbers))
    if empty := [name for name, logged in stages.items() if not logged]:
        blocks.append(f"Without metrics, since it took no steps: {', '.join(empty)}.")
    return Section("Learning curves", blocks)


def throughput(stages: Mapping[str, Logged]) -> Section:
    """Training snippets a second of each stage."""
    found = [_curve(name, logged, _RATE) for name, logged in stages.items()]
    rates = [rate for rate in found if rate.steps]
    title = "Throughput"
    if not rates:
        return Section(title, ["No stage took a step, so there is no rate."])
    header = ("stage", "median snippets a second", "slowest", "fastest", "steps")
    summaries = (statistics.median, min, max)
    lines = [
        (rate.name, *(f"{f(rate.values):.0f}" for f in summaries), rate.steps[-1])
        for rate in rates
    ]
    figure = charts.curves([[charts.Panel("", "snippets a second", rates)]])
    caption = (
        "Training snippets a second over all devices; each point is the mean since the "
        "one before."
    )
    picture = Picture("throughput", figure, caption, _numbers(stages, _RATE))
    return Section(title, [Numbers(header, lines), picture])


def _panels(name: str, logged: Logged) -> list[charts.Panel]:
    loss = _curve("training batch", logged, _LOSS)
    keys = {"training batch": _ACCURACY, "validation": _VALIDATION}
    accuracies = [_curve(part, logged, key, 100.0) for part, key in keys.items()]
    shown = [curve for curve in accuracies if curve.steps]
    panel = charts.Panel("", "accuracy in %", shown, 100.0)
    return [charts.Panel(name, "loss", [loss]), panel]


def _curve(name: str, logged: Logged, key: str, factor: float = 1.0) -> charts.Curve:
    """A metric where it was logged, perhaps nowhere."""
    rows = [row for row in logged if key in row]
    values = [factor * row[key] for row in rows]
    return charts.Curve(name, [row["step"] for row in rows], values)


def _numbers(stages: Mapping[str, Logged], *keys: str) -> Numbers:
    lines = [
        (name, row["step"], *(row.get(key, "") for key in keys))
        for name, logged in stages.items()
        for row in logged
        if any(key in row for key in keys)
    ]
    return Numbers(("stage", "step", *keys), lines)


FEWEST = 4
"""Videos: neighbourhoods of fewer mean nothing."""

_PERPLEXITY = 30.0  # scikit-learn's default, and that of the method's authors


def features(
    found: Mapping[str, Float[np.ndarray, "n _"]],
    names: Sequence[str],
    labels: Int[np.ndarray, "n"],
    classes: Sequence[str],
    seed: int,
) -> Section:
    """The paper's Figure 5: t-SNE of features of the videos, by the panel's title."""
    title, count = "Features (the paper's Figure 5)", len(labels)
    if count < FEWEST:
        reason = f"t-SNE of {count} videos means nothing; it takes {FEWEST} or more."
        return Section(title, [f"Left out: {reason}"])
    planes = {name: tsne(one, seed) for name, one in found.items()}
    caption = (
        f"t-SNE of {count} test videos, one snippet and the central crop each. Near "
        "neighbours mean something; axes, distances between groups and their sizes do "
        "not."
    )
    axes = (f"{name}, {axis}" for name in planes for axis in "xy")
    points = np.concatenate(list(planes.values()), axis=1).tolist()
    lines = [
        (name, classes[label], *point)
        for name, label, point in zip(names, labels, points, strict=True)
    ]
    numbers = Numbers(("video", "class", *axes), lines)
    figure = charts.scatter(planes, labels, classes)
    return Section(title, [Picture("features", figure, caption, numbers)])


def tsne(features: Float[np.ndarray, "n d"], seed: int) -> Float[np.ndarray, "n 2"]:
    """Places points so that near neighbours in d dimensions stay near.

    It takes FEWEST points or more and starts from their first two principal components.
    The perplexity (about the number of neighbours that count) is 30, or a third of the
    other points where there are few.
    """
    from sklearn import manifold  # Slow to import.

    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    start = _principal(features)
    method = manifold.TSNE(perplexity=perplexity, init=start, random_state=seed)
    return np.asarray(method.fit_transform(features.astype(np.float32)))


def _principal(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    """The first two principal components, as small as t-SNE starts, and some noise."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(features), 2))
    plane[:, : len(lengths)] = (left * lengths)[:, :2]
    # Without noise, points that coincide would be pushed along one line for ever.
    plane += 1e-3 * plane.std() * np.random.default_rng(0).standard_normal(plane.shape)
    return (1e-4 * plane / max(plane.std(), 1e-12)).astype(np.float32)
