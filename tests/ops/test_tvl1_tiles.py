"""TV-L1 in tiles gives what the plain form gives, and its kernel lowers for a GPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import tvl1_tiles
from stpn_jax.ops import primal_dual, tvl1

pytestmark = pytest.mark.slow

SHAPE = 37, 50  # no multiple of any tile
PARAMETERS = tvl1.Parameters(outer_iterations=2, inner_iterations=14)


def problem() -> tuple:
    """Pairs of which one settles in its third iteration, the others never."""
    random = np.random.default_rng(0)
    slope = 5 * random.normal(size=(3, 2, *SHAPE)).astype(np.float32)
    residual = 10 * random.normal(size=(3, *SHAPE)).astype(np.float32)
    residual *= np.array([1, 0.0045, 0.3], np.float32)[:, None, None]
    u = jnp.zeros_like(slope)
    return u, primal_dual.still(u), slope, residual


@pytest.mark.parametrize(
    ("rows", "columns", "iterations"), [(10, 32, 1), (16, 32, 2), (32, 64, 8)]
)
def test_tiles_are_the_plain_form(rows, columns, iterations):
    solver = tvl1._solver(PARAMETERS, SHAPE)
    plain = jax.jit(functools.partial(primal_dual.solve, solver))
    tiling = tvl1_tiles.Tiling(rows, columns, iterations, groups=1)
    tiled = jax.jit(functools.partial(tvl1_tiles.solve, tiling, True, solver))
    expected = jax.tree.leaves(plain(*problem()))
    assert np.abs(expected[0]).max() > 0.1
    for one, other in zip(jax.tree.leaves(tiled(*problem())), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_pair_settles_within_a_visit():
    """Or the test above would not see a visit repeated."""
    solver = tvl1._solver(PARAMETERS, SHAPE)._replace(rounds=1, median=1)
    solve = jax.jit(primal_dual.solve, static_argnums=0)
    early, middle, late = (
        np.asarray(solve(solver._replace(iterations=n), *problem())[0])
        for n in (2, 3, 14)
    )
    changed = [np.abs(u - middle).max((1, 2, 3)) for u in (early, late)]
    settled = (changed[0] > 1e-3) & (changed[1] < 1e-6)
    assert settled.any() and not settled.all()


@pytest.mark.parametrize("tiling", tvl1_tiles.TILINGS, ids=tvl1_tiles.describe)
def test_every_tiling_lowers_for_cuda(tiling):
    shape = 256, 340
    solver = tvl1._solver(tvl1.Parameters(), shape)
    pairs, stored = 2, tiling.padded(shape)
    count = jax.ShapeDtypeStruct((pairs,), jnp.int32)
    visit = functools.partial(tvl1_tiles.visit, solver, tiling, False)
    text = (
        jax.jit(visit)
        .trace(
            count,
            count,
            jax.ShapeDtypeStruct((pairs, 4, *stored), jnp.float32),
            jax.ShapeDtypeStruct((pairs, 2, 6, *stored), jnp.float32),
        )
        .lower(lowering_platforms=("cuda",))
        .as_text()
    )
    assert "mosaic_gpu" in text
