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


def test_normalisation_gives_unit_root_mean_square_at_each_location():
    fused = apply(dataclasses.replace(PLAIN, signed_sqrt=True, l2=True, scale=0.0))
    np.testing.assert_allclose(np.square(fused).mean(axis=-1), 1, rtol=1e-3)


def test_scale_multiplies():
    np.testing.assert_allclose(
        apply(dataclasses.replace(PLAIN, scale=3.0)), 3 * apply(PLAIN), rtol=1e-5
    )


def test_sum_refuses_different_widths():
    with pytest.raises(UsageError, match="one width"):
        apply(
            dataclasses.replace(PLAIN, kind="sum"), [PATHWAYS[0], PATHWAYS[1][..., :5]]
        )
