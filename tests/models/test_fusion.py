"""Every fusion kind: width, normalisation and the inputs it rejects."""

import dataclasses

import jax
import numpy as np
import pytest

from stpn_jax.config import FusionConfig
from stpn_jax.models import fusion
from stpn_jax.utils.errors import UsageError

PLAIN = FusionConfig(kind="stcb", width=32, signed_sqrt=False, l2=False, scale=1.0)
PATHWAYS = [
    np.random.default_rng(i).normal(size=(2, 4, 4, 8)).astype(np.float32)
    for i in (0, 1)
]
EXPECTED = {
    "stcb": 32,
    "concatenation": 16,
    "sum": 8,
    "product": 8,
    "bilinear": 64,
}


def apply(config, pathways=PATHWAYS):
    module = fusion.Fusion(config, seed=(0,))
    return jax.jit(lambda xs: module.init_with_output(jax.random.key(0), xs)[0])(
        pathways
    )


@pytest.mark.parametrize("kind", fusion.FUSIONS)
def test_every_kind_has_its_width_and_float32(kind):
    fused = apply(dataclasses.replace(PLAIN, kind=kind))
    assert fused.shape == (2, 4, 4, EXPECTED[kind]) and fused.dtype == np.float32


def test_kinds_without_sketches_against_numpy():
    concatenated = apply(dataclasses.replace(PLAIN, kind="concatenation"))
    np.testing.assert_array_equal(concatenated, np.concatenate(PATHWAYS, axis=-1))
    np.testing.assert_allclose(
        apply(dataclasses.replace(PLAIN, kind="sum")), sum(PATHWAYS), rtol=1e-6
    )
    np.testing.assert_allclose(
        apply(dataclasses.replace(PLAIN, kind="product")),
        PATHWAYS[0] * PATHWAYS[1],
        rtol=1e-6,
    )
    outer = np.einsum("byxc,byxd->byxcd", *PATHWAYS).reshape(2, 4, 4, -1)
    np.testing.assert_allclose(
        apply(dataclasses.replace(PLAIN, kind="bilinear")), outer, rtol=1e-6
    )


def test_normalisation_gives_unit_root_mean_square_at_each_location():
    fused = apply(dataclasses.replace(PLAIN, signed_sqrt=True, l2=True, scale=0.0))
    np.testing.assert_allclose(np.square(fused).mean(axis=-1), 1, rtol=1e-3)


def test_scale_multiplies():
    np.testing.assert_allclose(
        apply(dataclasses.replace(PLAIN, scale=3.0)), 3 * apply(PLAIN), rtol=1e-5
    )


@pytest.mark.parametrize("kind", ("sum", "product"))
def test_element_wise_kinds_reject_different_widths(kind):
    pathways = [PATHWAYS[0], PATHWAYS[1][..., :5]]
    with pytest.raises(UsageError, match=f"{kind} needs pathways of one width"):
        apply(dataclasses.replace(PLAIN, kind=kind), pathways)


def test_bilinear_rejects_products_too_wide_for_a_classifier():
    pathways = [np.zeros((1, 2048), np.float32)] * 3
    with pytest.raises(UsageError, match="2048 x 2048 x 2048"):
        apply(dataclasses.replace(PLAIN, kind="bilinear"), pathways)


@pytest.mark.slow
def test_compact_bilinear_is_bilinear_in_the_mean_over_seeds():
    """Its inner products have bilinear pooling's as mean, and the predicted variance.

    The variance of a product of two count sketches with hashes of their own follows
    from their differences being uniform: see predicted_variance.
    """
    rng = np.random.default_rng(0)
    x, y = (
        [np.abs(rng.normal(size=(1, width))).astype(np.float32) for width in (24, 16)]
        for _ in range(2)
    )
    config = dataclasses.replace(PLAIN, width=64)
    exact = inner(dataclasses.replace(config, kind="bilinear"), x, y, seed=0)
    samples = np.array([inner(config, x, y, seed) for seed in range(600)])
    variance = predicted_variance(x, y, config.width)
    assert abs(samples.mean() - exact) < 4 * (variance / len(samples)) ** 0.5
    assert 0.75 < samples.var() / variance < 1.3


def inner(config, x, y, seed):
    module = fusion.Fusion(config, seed=(seed,))
    one, other = (module.init_with_output(jax.random.key(0), v)[0] for v in (x, y))
    return float(np.vdot(one, other))


def predicted_variance(x, y, width):
    """Of the inner product of two sketched pairs; width is even.

    With N_i(r) the sum over unequal positions j, k of x_i[j] y_i[k] s[j] s[k] where
    h[j] - h[k] = r, the inner product is the sum over r of (<x_1, y_1> [r = 0] +
    N_1(r)) (<x_2, y_2> [r = 0] + N_2(-r)); E N_i(r) N_i(q) is same / width for q = r
    plus swapped / width for q = -r.
    """
    means, same, swapped = [], [], []
    for a, b in zip(x, y, strict=True):
        a, b = a[0].astype(float), b[0].astype(float)
        equal = np.sum(a**2 * b**2)
        means.append(a @ b)
        same.append((a @ a) * (b @ b) - equal)
        swapped.append((a @ b) ** 2 - equal)
    at_zero = [(p + q) / width for p, q in zip(same, swapped, strict=True)]
    own_inverse = 2  # r = 0 and r = width / 2.
    both = (width - own_inverse) * (np.prod(same) + np.prod(swapped))
    both += own_inverse * (same[0] + swapped[0]) * (same[1] + swapped[1])
    return means[0] ** 2 * at_zero[1] + means[1] ** 2 * at_zero[0] + both / width**2
