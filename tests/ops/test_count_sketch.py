"""Count sketch against the oracle, in both forms."""

import jax
import numpy as np
import pytest
from reference import stcb

from stpn_jax.ops import count_sketch


@pytest.mark.parametrize(
    "form", [count_sketch._by_matmul, count_sketch._by_segment_sum]
)
@pytest.mark.parametrize(("channels", "width"), [(7, 5), (16, 64), (33, 32)])
def test_both_forms_equal_the_oracle(form, channels, width):
    sketch = count_sketch.sample((0, 1), channels, width)
    vectors = np.random.default_rng(0).normal(size=(3, channels)).astype(np.float32)
    expected = [stcb.count_sketch(x, *sketch, width) for x in vectors]
    np.testing.assert_allclose(form(vectors, sketch, width), expected, atol=1e-5)


def test_a_product_in_bfloat16_keeps_all_digits():
    """One input per column: what comes out is what went in, times its sign."""
    sketch = count_sketch.Sketch(np.arange(64), np.ones(64, np.int8))
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(50, 64)) * 10.0 ** rng.integers(-20, 20, 64)).astype("f4")
    found = jax.jit(count_sketch._by_matmul, static_argnums=2)(x, sketch, 64)
    np.testing.assert_array_equal(found, x)


def test_scatter_matrix_has_one_sign_per_input():
    sketch = count_sketch.sample((3,), 50, 16)
    matrix = np.asarray(count_sketch.scatter_matrix(sketch, 16))
    assert (np.abs(matrix).sum(axis=1) == 1).all()
    assert (matrix[np.arange(50), sketch.h] == sketch.s).all()


def test_project_keeps_leading_axes_and_float32():
    sketch = count_sketch.sample((0,), 8, 16)
    x = np.ones((2, 3, 4, 8), np.float32)
    for dtype in ("float32", "bfloat16"):
        y = jax.jit(lambda x: count_sketch.project(x, sketch, 16))(x.astype(dtype))
        assert y.shape == (2, 3, 4, 16) and y.dtype == np.float32


def test_sketches_are_uniform_and_distinct():
    sketches = [
        count_sketch.sample((0, level, path), 4096, 8)
        for level in (0, 1)
        for path in (0, 1)
    ]
    for one in sketches:
        assert np.abs(np.bincount(one.h, minlength=8) / 512 - 1).max() < 0.2
        assert abs(one.s.mean()) < 0.06
        assert set(np.unique(one.s)) == {-1, 1}
    for i, one in enumerate(sketches):
        for other in sketches[i + 1 :]:
            assert np.mean(one.h == other.h) < 0.2
            assert abs(np.mean(one.s * other.s)) < 0.06


def test_same_seed_gives_the_same_sketch():
    one, two = (count_sketch.sample((5, 1), 100, 10) for _ in range(2))
    assert (one.h == two.h).all() and (one.s == two.s).all()
