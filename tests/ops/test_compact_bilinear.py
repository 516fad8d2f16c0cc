"""STCB against Algorithm 1 in float64, the outer product and its statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from reference import stcb

from stpn_jax.ops import compact_bilinear, count_sketch


def slowly(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def sample(m, channels, width, seed=0):
    return [count_sketch.sample((seed, i), channels + i, width) for i in range(m)]


def vectors(m, channels, locations=(), seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(*locations, channels + i)).astype(np.float32) for i in range(m)
    ]


@pytest.mark.parametrize("m", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [64, 63, 1024, 4096])
@pytest.mark.parametrize("compiled", [False, True])
def test_equals_algorithm_1_in_float64(m, width, compiled):
    sketches, pathways = sample(m, 48, width), vectors(m, 48, (2, 3))
    operator = lambda *xs: compact_bilinear.compact_bilinear(xs, sketches, width)  # noqa: E731
    result = np.asarray((jax.jit(operator) if compiled else operator)(*pathways))
    assert result.shape == (2, 3, width)
    for index in np.ndindex(2, 3):
        expected = stcb.compact_bilinear([x[index] for x in pathways], sketches, width)
        error = np.abs(result[index] - expected).max()
        assert error < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("m", [1, 2, 3])
def test_equals_the_sketch_of_the_outer_product(m):
    sketches, pathways = sample(m, 6, 21), vectors(m, 6)
    result = compact_bilinear.compact_bilinear(pathways, sketches, 21)
    expected = stcb.sketched_outer_product(pathways, sketches, 21)
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("m", [2, 3])
def test_inner_products_are_unbiased(m):
    xs, ys = vectors(m, 12, seed=1), vectors(m, 12, seed=2)
    ys = [x + 0.5 * y for x, y in zip(xs, ys, strict=True)]
    exact = np.prod([x @ y for x, y in zip(xs, ys, strict=True)])

    def estimate(seed):
        sketches = sample(m, 12, 256, seed)
        return np.dot(*(stacked(vs, sketches) for vs in (xs, ys)))

    apply = jax.jit(lambda vs, s: compact_bilinear.compact_bilinear(vs, s, 256))
    stacked = lambda vs, s: np.asarray(apply(vs, s), np.float64)  # noqa: E731
    estimates = np.array([estimate(seed) for seed in range(400)])
    standard_error = estimates.std() / np.sqrt(len(estimates))
    assert abs(estimates.mean() - exact) < 3 * standard_error
    assert standard_error < 0.1 * abs(exact)


def test_shared_sketches_would_be_biased():
    """Why every pathway has its own: the field's peers share one, and are off."""
    x = vectors(1, 12)[0]

    def estimate(seed):
        sketch = count_sketch.sample((seed,), 12, 256)
        z = np.asarray(compact_bilinear.compact_bilinear([x, x], [sketch, sketch], 256))
        return z @ z

    mean = np.mean([estimate(seed) for seed in range(100)])
    assert mean > 1.3 * (x @ x) ** 2


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of 3 locations, 4 at once, in place of ones too large for a test."""
    monkeypatch.setattr(compact_bilinear, "PIECE", 3 * 16)


@pytest.mark.parametrize("locations", [4, 24, *slowly(2, 3, 12, 23, 37)])
@pytest.mark.parametrize("m", [*slowly(1), 2, 3])
def test_pieces_are_the_whole(small_pieces, m, locations):
    sketches, pathways = sample(m, 9, 16), vectors(m, 9, (locations,))
    slope = vectors(1, 16, (locations,))[0]

    @jax.jit
    def both(pathways):
        operator = lambda xs: compact_bilinear.compact_bilinear(xs, sketches, 16)  # noqa: E731
        product, pull = jax.vjp(operator, pathways)
        return product, *pull(slope)[0]

    expected = stcb.with_gradients(pathways, sketches, slope)
    for found, exact in zip(both(pathways), expected, strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-5 * np.abs(exact).max())


def test_the_same_bits_every_time():
    sketches, pathways = sample(2, 128, 4096), vectors(2, 128, (300,))

    @jax.jit
    def both(pathways):
        operator = lambda xs: compact_bilinear.compact_bilinear(xs, sketches, 4096)  # noqa: E731
        product, pull = jax.vjp(operator, pathways)
        return product, *pull(product)[0]

    first = both(pathways)
    for _ in range(5):
        for one, other in zip(first, both(pathways), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("width", [15, 16])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_gradients_equal_finite_differences(m, width):
    sketches = sample(m, 9, width)
    operator = lambda *xs: compact_bilinear.compact_bilinear(xs, sketches, width)  # noqa: E731
    check_grads(operator, vectors(m, 9, (2,)), order=1, modes=["rev"], rtol=2e-2)


def test_normalisation_gradients_equal_finite_differences():
    x = vectors(1, 20)[0]
    check_grads(compact_bilinear.signed_sqrt, (x,), order=1, rtol=2e-2, eps=1e-3)
    check_grads(compact_bilinear.l2_normalise, (x / 10,), order=1, rtol=2e-2)


def test_bfloat16_inputs_are_computed_in_float32():
    sketches, pathways = sample(2, 32, 64), vectors(2, 32)
    rounded = [jnp.asarray(x, jnp.bfloat16) for x in pathways]
    result = compact_bilinear.compact_bilinear(rounded, sketches, 64)
    exact = [np.asarray(x, np.float64) for x in rounded]
    expected = stcb.compact_bilinear(exact, sketches, 64)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, expected, atol=1e-5 * np.abs(expected).max())

    def total(x, y):
        return compact_bilinear.compact_bilinear([x, y], sketches, 64).sum()

    gradients = jax.grad(total, (0, 1))(*rounded)
    whole = jax.grad(total, (0, 1))(*(x.astype(jnp.float32) for x in rounded))
    for gradient, one in zip(gradients, whole, strict=True):
        assert gradient.dtype == jnp.bfloat16
        np.testing.assert_array_equal(gradient, one.astype(jnp.bfloat16))


def test_zero_input_gives_zero_and_finite_gradients():
    sketches = sample(2, 8, 16)

    def total(x, y):
        z = compact_bilinear.compact_bilinear([x, y], sketches, 16)
        return compact_bilinear.l2_normalise(compact_bilinear.signed_sqrt(z)).sum()

    zeros = jnp.zeros(8), jnp.zeros(9)
    assert total(*zeros) == 0
    for gradient in jax.grad(total, argnums=(0, 1))(*zeros):
        assert np.isfinite(gradient).all()


def test_signed_sqrt_tends_to_the_signed_square_root_with_a_bounded_slope():
    x = jnp.array([-100.0, -1.0, 0.0, 1e-12, 4.0, 400.0])
    y = compact_bilinear.signed_sqrt(x)
    np.testing.assert_allclose(y, np.sign(x) * np.sqrt(np.abs(x)), atol=0.031)
    slope = jax.vmap(jax.grad(compact_bilinear.signed_sqrt))(x)
    np.testing.assert_allclose(
        slope.max(), 0.5 / compact_bilinear.SQRT_OFFSET, rtol=1e-5
    )


@pytest.mark.parametrize(("count", "sketches"), [(0, 0), (2, 1)])
def test_wrong_numbers_of_pathways_and_sketches_are_rejected(count, sketches):
    with pytest.raises(ValueError, match="pathways and"):
        compact_bilinear.compact_bilinear(vectors(count, 4), sample(sketches, 4, 8), 8)
