"""How well STCB approximates the outer product: `python -m studies operator`.

The inner product of two sketches estimates the product of the pathways' inner products,
with a relative variance of at most (3^m - 1) / d (Pham and Pagh 2013; Avron, Nguyen and
Woodruff 2014, Lemma 4). Measured is how far off it is, what that costs a linear
classifier whose classes are bilinear forms, and what sketches in bfloat16 add. Random
vectors, float32 operator, float64 reference; no training, no video.
"""

import argparse
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64
from sklearn.linear_model import RidgeClassifier

from stpn_jax.ops import compact_bilinear, count_sketch
from stpn_jax.utils.errors import UsageError
from studies import report

WIDTHS = (256, 512, 1024, 2048, 4096, 8192, 16384)
PATHWAYS = (2, 3)
SEEDS = 10
CHANNELS, PAIRS = 1024, 400
# Of the classifier: few enough for the outer product itself, 1024 and 1728 numbers.
SMALL = {2: 32, 3: 12}
CLASSES, TRAIN, TEST, RIDGE = 10, 10_000, 2000, 1.0
WIDEST_OF_BRIEF = 1024
# Of the report; NAME.csv has all.
SHOWN_WIDTHS, SHOWN_COLUMNS = ("1024", "4096", "16384"), (0, 1, 2, 4)
NAME = "operator"
TITLE = "how well STCB approximates the outer product"

Vectors = Sequence[Float64[np.ndarray, "n c"]]
Features = Callable[[Vectors], np.ndarray]


def run(options: argparse.Namespace, overrides: list[str]) -> None:
    """Measures, writes CSV files and the tables of the report."""
    if overrides:
        raise UsageError(f"{overrides[0]}: the operator has no config")
    seeds = 1 if options.brief else options.seeds or SEEDS
    widest = WIDEST_OF_BRIEF if options.brief else WIDTHS[-1]
    measures = {"inner_product": inner_products, "classifier": classifiers}
    output = report.prepare(options, NAME, measures)
    for name, function in measures.items():
        measure = functools.partial(function, seeds, widest)
        output.write_measured(name, None if options.tables else measure, shown)


def shown(lines: report.Lines) -> report.Lines:
    """The lines and columns of the report, the outer product among them."""
    header, *others = lines
    kept = [
        line
        for line in others
        if line[1].startswith("outer") or line[1].split()[-1] in SHOWN_WIDTHS
    ]
    return [[line[i] for i in SHOWN_COLUMNS] for line in (header, *kept)]


def inner_products(seeds: int, widest: int) -> Iterator[list[str]]:
    """A line for each m and d: error of the estimated product of cosines.

    Root mean squares over pairs of unit vectors, whose mean and standard deviation over
    sketch seeds are given.
    """
    yield ["m", "d", "error", "std over seeds", "bound", "bfloat16 sketches"]
    widths = [width for width in WIDTHS if width <= widest]
    for m, width in itertools.product(PATHWAYS, widths):
        plain, rounded = (
            np.array([error(m, width, seed, dtype) for seed in range(seeds)])
            for dtype in (jnp.float32, jnp.bfloat16)
        )
        bound = np.sqrt((3**m - 1) / width)
        numbers = (plain.mean(), plain.std(), bound, rounded.mean())
        yield [str(m), str(width), *(f"{number:.4f}" for number in numbers)]


def error(m: int, width: int, seed: int, dtype: type) -> float:
    """Root mean square over the pairs, of one sketch seed."""
    x, y = related(m, PAIRS)
    exact = np.prod([(a * b).sum(1) for a, b in zip(x, y, strict=True)], axis=0)
    features = sketched(m, CHANNELS, width, seed, dtype)
    found = (features(x) * features(y)).sum(1)
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def classifiers(seeds: int, widest: int) -> Iterator[list[str]]:
    """A line for each m and d: accuracy of a ridge classifier, mean and deviation.

    Every class is a random multilinear form of the pathways; the classifier sees the
    sketch, or, in a line of its own, the outer product itself.
    """
    yield ["m", "features", "accuracy", "std over seeds", "after square root and L2"]
    for m in PATHWAYS:
        x = independent(m, TRAIN + TEST)
        exact = outer(x)
        forms = np.random.default_rng(2).standard_normal((exact.shape[1], CLASSES))
        labels = (exact @ forms).argmax(1)
        score = functools.partial(accuracy, labels=labels)
        name = f"outer product, {exact.shape[1]}"
        rooted = f"{score(normalised(exact)):.1f}"
        yield [str(m), name, f"{score(exact):.1f}", "", rooted]
        for width in (w for w in (64, 128, *WIDTHS[:-2]) if w <= widest):
            sketches = [
                sketched(m, SMALL[m], width, seed, jnp.float32)(x)
                for seed in range(seeds)
            ]
            plain = np.array([score(one) for one in sketches])
            after = np.mean([score(normalised(one)) for one in sketches])
            numbers = (plain.mean(), plain.std(), after)
            yield [str(m), f"sketch, {width}", *(f"{one:.1f}" for one in numbers)]


def related(m: int, pairs: int) -> tuple[Vectors, Vectors]:
    """Pairs of unit vectors at an angle, none negative, as maps behind a ReLU are."""
    rng = np.random.default_rng(0)
    sampled = rng.standard_normal((2, m, pairs, CHANNELS)).clip(0)
    x, y = sampled[0], (sampled[0] + sampled[1]) / 2
    x, y = (one / np.linalg.norm(one, axis=-1, keepdims=True) for one in (x, y))
    return list(x), list(y)


def independent(m: int, count: int) -> Vectors:
    """Gaussian vectors of the classifier's pathways."""
    rng = np.random.default_rng(1)
    return list(rng.standard_normal((m, count, SMALL[m])))


def outer(x: Vectors) -> Float64[np.ndarray, "n entries"]:
    """The outer product of the pathways, flattened."""

    def pair(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.einsum("ni,nj->nij", a, b).reshape(len(a), -1)

    return functools.reduce(pair, x)


def sketched(m: int, channels: int, width: int, seed: int, dtype: type) -> Features:
    """STCB, whose sketches are rounded to a dtype before the Fourier transform."""
    sketches = [count_sketch.sample((seed, i), channels, width) for i in range(m)]

    @jax.jit
    def rounded(vectors: list[jax.Array]) -> jax.Array:
        projected = [
            count_sketch.project(x, s, width).astype(dtype).astype(jnp.float32)
            for x, s in zip(vectors, sketches, strict=True)
        ]
        spectra = [jnp.fft.rfft(one) for one in projected]
        return jnp.fft.irfft(functools.reduce(jnp.multiply, spectra), width)

    def features(x: Vectors) -> np.ndarray:
        vectors = [jnp.asarray(one, jnp.float32) for one in x]
        if dtype == jnp.float32:
            fused = compact_bilinear.compact_bilinear(vectors, sketches, width)
            return np.asarray(fused, np.float64)
        return np.asarray(rounded(vectors), np.float64)

    return features


def normalised(x: np.ndarray) -> np.ndarray:
    """Signed square root, then L2, as behind a fusion."""
    root = np.sign(x) * np.sqrt(np.abs(x))
    return root / np.linalg.norm(root, axis=1, keepdims=True)


def accuracy(x: np.ndarray, labels: np.ndarray) -> float:
    """Of a ridge classifier on the last samples, in percent."""
    scaled = x / x[:TRAIN].std()
    model = RidgeClassifier(alpha=RIDGE).fit(scaled[:TRAIN], labels[:TRAIN])
    return 100 * float(model.score(scaled[TRAIN:], labels[TRAIN:]))
