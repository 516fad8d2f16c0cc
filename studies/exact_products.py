"""What a product of flow paths costs by itself: `python -m studies products`.

STCB over frozen maps may be poor because its sketches are short, or because of the
product that they stand for. Of that product a classifier can learn exactly: of two
snippets a and b its inner product is the mean over all pairs of locations i, j of
prod_k <a_ki, b_kj>. Kernel ridge regression gets that kernel, and then those of
sketches of the same maps, without and with the square root behind them.
"""

import argparse
import dataclasses
import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from etils import epath
from jaxtyping import Bool, Float, Int
from sklearn.kernel_ridge import KernelRidge

from stpn_jax.evaluation import intervals
from stpn_jax.experiment import initialize, run_dir, stage_batches
from stpn_jax.experiment.setup import Experiment
from stpn_jax.ops import compact_bilinear, count_sketch
from stpn_jax.utils import compilation_cache
from studies import report, runs
from studies.rows import Study
from studies.tables import STCB_5, STUDIES

STUDY, TABLE = "hmdb51", "table4"
NAME = "products"
TITLE = "what a product of flow paths costs by itself"
HEADER = ["paths", "features", "accuracy", "seeds", "same class", "other class"]
PATHS = {1: [2], 3: [1, 2, 3], 5: [0, 1, 2, 3, 4]}
WIDTHS = (4096, 16384)
SNIPPETS = 2  # of a training video
RIDGES = (0.01, 0.1, 1.0, 10.0, 100.0)  # one is chosen on folds of training videos
FOLDS = 4
BLOCK = 64  # snippets

Paths = Float[np.ndarray, "_ k l c"]  # snippets, paths, locations, channels
Kernel = Float[np.ndarray, "_ _"]


class Snippets(NamedTuple):
    """Maps of some snippets, every location's vector of unit length."""

    paths: Paths
    labels: Int[np.ndarray, "n"]
    videos: Int[np.ndarray, "n"]


class Kernels(NamedTuple):
    """Inner products of unit vectors: of training snippets, and test x training."""

    train: Kernel
    test: Kernel


def run(options: argparse.Namespace, overrides: list[str]) -> None:
    """Writes a table, measured on the feature maps that STCB of 5 paths has cached."""
    output = report.prepare(options, STUDY, [NAME])
    measure = (
        None if options.tables else functools.partial(_measure, options, overrides)
    )
    output.write_measured(NAME, measure)


def _measure(options: argparse.Namespace, overrides: list[str]) -> Iterator[list[str]]:
    compilation_cache.enable()
    table = dataclasses.replace(STUDIES[STUDY].tables[TABLE], rows=(STCB_5,))
    study = Study(STUDY, {TABLE: table})
    place = epath.Path(options.workdir) / STUDY
    seeds, brief = options.seeds, options.brief
    planned = runs.plan_study(study, place, overrides, seeds, brief=brief)
    yield HEADER
    yield from lines(map(runs.open_run, planned))


def lines(experiments: Iterable[Experiment]) -> Iterator[list[str]]:
    """A line for every number of paths and kind of features, over the experiments.

    The last two columns are mean inner products of unit feature vectors, over pairs of
    training snippets of different videos.
    """
    found: defaultdict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    for experiment in experiments:
        run_dir.register(experiment)
        train, test = snippets(experiment)
        for m, paths in PATHS.items():
            one, other = (s._replace(paths=s.paths[:, paths]) for s in (train, test))
            seed = experiment.config.model.sketch_seed
            for name, kernels in _kinds(one.paths, other.paths, seed):
                score = accuracy(kernels, one, other)
                found[str(m), name].append((score, *_similar(kernels.train, one)))
    for key, values in found.items():
        score, same, different = np.mean(values, axis=0)
        seeds = ", ".join(f"{100 * one[0]:.1f}" for one in values)
        yield [*key, f"{100 * score:.1f}", seeds, f"{same:.3f}", f"{different:.3f}"]


def _kinds(train: Paths, test: Paths, seed: int) -> Iterator[tuple[str, Kernels]]:
    yield "exact", exact(train, test)
    if train.shape[1] == 1:
        return
    for width in WIDTHS:
        yield f"sketch, {width}", sketched(train, test, width, seed, root=False)
    rooted = sketched(train, test, WIDTHS[0], seed, root=True)
    yield f"sketch, {WIDTHS[0]}, square root and L2", rooted


def snippets(experiment: Experiment) -> tuple[Snippets, Snippets]:
    """Maps of the first snippets of the training videos, and of all test crops."""
    stage = experiment.config.stages[-1]
    variables = initialize.initial_variables(experiment, stage)
    settings, videos = experiment.config.evaluation, experiment.split.test
    train = stage_batches.train_batches(experiment, stage, variables, 0)
    test = stage_batches.test_batches(experiment, stage, variables, videos, settings)
    return _collect(train, SNIPPETS), _collect(test, settings.snippets * settings.crops)


def _collect(batches: Iterable[Any], most: int) -> Snippets:
    """At most so many snippets of each video, in the order they come."""
    taken: Counter[int] = Counter()
    kept: list[tuple[np.ndarray, int, int]] = []
    for batch in batches:
        fields = (batch.paths, batch.label, batch.video, batch.mask)
        for paths, label, video, real in zip(*fields, strict=True):
            if real and taken[int(video)] < most:
                taken[int(video)] += 1
                flat = paths.reshape(len(paths), -1, paths.shape[-1])
                length = np.linalg.norm(flat, axis=-1, keepdims=True)
                unit = flat / np.maximum(length, 1e-6)
                kept.append((unit, int(label), int(video)))
    return Snippets(*map(np.array, zip(*kept, strict=True)))


def exact(train: Paths, test: Paths) -> Kernels:
    """Kernels of the outer product of the paths, averaged over locations."""
    own = np.array([_exact(one[None], one[None])[0, 0] for one in test])
    return _normalised(_exact(train, train), _exact(test, train), own)


def _exact(a: Paths, b: Paths) -> Kernel:
    def of_block(block: Paths) -> Kernel:
        grams = (np.tensordot(block[:, k], b[:, k], (2, 2)) for k in range(b.shape[1]))
        return functools.reduce(np.multiply, grams).mean(axis=(1, 3))

    blocks = np.split(a, range(BLOCK, len(a), BLOCK))
    shown = tqdm.tqdm(blocks, "exact products", disable=len(blocks) < 2, mininterval=5)
    return np.concatenate([of_block(block) for block in shown])


def sketched(
    train: Paths, test: Paths, width: int, seed: int, *, root: bool
) -> Kernels:
    """Kernels of STCB, averaged over locations.

    With `root`, square root and L2 follow at every location, as in the network.
    """
    m, channels = train.shape[1], train.shape[-1]
    sketches = [count_sketch.sample((seed, k), channels, width) for k in range(m)]

    @jax.jit
    def of_block(paths: jax.Array) -> jax.Array:
        pathways = [paths[:, k] for k in range(m)]
        x = compact_bilinear.compact_bilinear(pathways, sketches, width)
        if root:
            x = compact_bilinear.l2_normalise(compact_bilinear.signed_sqrt(x))
        return jnp.mean(x, axis=1)

    def features(paths: Paths) -> Float[np.ndarray, "n d"]:
        blocks = np.split(paths, range(BLOCK, len(paths), BLOCK))
        return np.concatenate([np.asarray(of_block(block)) for block in blocks])

    a, b = features(train), features(test)
    return _normalised(a @ a.T, b @ a.T, (b * b).sum(axis=1))


def _normalised(train: Kernel, test: Kernel, own: Float[np.ndarray, "a"]) -> Kernels:
    """Of unit vectors; `own` has the test snippets' squared lengths."""
    length = np.sqrt(np.diag(train))
    return Kernels(
        train / length[:, None] / length, test / np.sqrt(own)[:, None] / length
    )


def accuracy(kernels: Kernels, train: Snippets, test: Snippets) -> float:
    """Mean class accuracy of the test videos, by the ridge that does best on folds."""
    fold = np.unique(train.videos, return_inverse=True)[1] % FOLDS
    targets = np.eye(train.labels.max() + 1)[train.labels]

    def on_folds(ridge: float) -> float:
        scores = np.zeros(targets.shape)
        for out in (fold == i for i in range(FOLDS)):
            inside, across = np.ix_(~out, ~out), np.ix_(out, ~out)
            fold_kernels = Kernels(kernels.train[inside], kernels.train[across])
            scores[out] = _scores(fold_kernels, targets[~out], ridge)
        return _accuracy(scores, train)

    ridge = max(RIDGES, key=on_folds)
    return _accuracy(_scores(kernels, targets, ridge), test)


def _scores(kernels: Kernels, targets: np.ndarray, ridge: float) -> np.ndarray:
    model = KernelRidge(kernel="precomputed", alpha=ridge)
    model.fit(kernels.train, targets - targets.mean(axis=0))
    return np.asarray(model.predict(kernels.test))


def _accuracy(scores: Float[np.ndarray, "n classes"], of: Snippets) -> float:
    """Of videos, whose snippets' scores are added."""
    videos, first, places = np.unique(of.videos, return_index=True, return_inverse=True)
    added = np.zeros((len(videos), scores.shape[1]))
    np.add.at(added, places, scores)
    labels = of.labels[first]
    correct = (added.argmax(1) == labels)[None].astype(float)
    return float(intervals.class_means(correct, labels)[0])


def _similar(kernel: Kernel, of: Snippets) -> tuple[float, float]:
    """Means over pairs of different videos, of one class and of two."""
    apart: Bool[np.ndarray, "n n"] = of.videos[:, None] != of.videos
    same = of.labels[:, None] == of.labels
    return float(kernel[apart & same].mean()), float(kernel[~same].mean())
