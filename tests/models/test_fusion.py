"""Every fusion kind: width, normalisation and what it refuses."""

import dataclasses

import jax
import numpy as np
import pytest

from stpn_jax.config import FusionConfig
from stpn_jax.errors import UsageError
from stpn_jax.models import fusion

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


def test_plain_kinds_are_what_they_say():
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
def test_element_wise_kinds_refuse_different_widths(kind):
    pathways = [PATHWAYS[0], PATHWAYS[1][..., :5]]
    with pytest.raises(UsageError, match=f"{kind} needs pathways of one width"):
        apply(dataclasses.replace(PLAIN, kind=kind), pathways)


def test_bilinear_refuses_what_no_classifier_could_read():
    pathways = [np.zeros((1, 2048), np.float32)] * 3
    with pytest.raises(UsageError, match="2048 x 2048 x 2048"):
        apply(dataclasses.replace(PLAIN, kind="bilinear"), pathways)
