"""Assigning is strict: all variables of a network, in their shapes, or none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.utils import errors
from stpn_jax.weights import assign


def _tree(**leaves):
    return {"params": {name: np.zeros(shape) for name, shape in leaves.items()}}


def test_assign_returns_the_loaded_values_in_the_networks_dtypes():
    template = jax.eval_shape(lambda: {"params": {"a": jnp.zeros((2, 3))}})
    found = assign.assign(template, {"params": {"a": np.ones((2, 3))}}, "file.pth")
    assert found["params"]["a"].dtype == np.float32
    assert found["params"]["a"].sum() == 6


def test_assign_names_all_differences():
    with pytest.raises(errors.UsageError) as error:
        assign.assign(
            _tree(kept=(1,), gone=(2,), bent=(2, 3)),
            _tree(kept=(1,), more=(2,), bent=(3, 2)),
            "file.pth",
        )
    for part in (
        "file.pth",
        "missing: params/gone",
        "extra: params/more",
        "3x2",
        "2x3",
    ):
        assert part in str(error.value)
    assert "kept" not in str(error.value)


def test_only_the_first_names_are_listed():
    with pytest.raises(errors.UsageError, match=r"params/a4 and 2 more"):
        assign.assign(_tree(**{f"a{i}": (1,) for i in range(7)}), _tree(), "file.pth")
