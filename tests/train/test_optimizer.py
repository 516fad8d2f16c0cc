"""The optimizer against Caffe's update written out in numpy."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax.train import optimizer
from stpn_jax.utils.errors import UsageError

PARAMS = {
    "a": {"kernel": np.ones((2, 3), np.float32), "bias": np.ones(3, np.float32)},
    "b": {"kernel": np.full((3, 2), 2.0, np.float32)},
}


def stage(**changes):
    base = configs.from_config_dict(demo.get_config()).stages[0]
    fixed = {
        "learning_rate": 0.1, "lr_milestones": (2,), "max_grad_norm": 1.5,
        "weight_decay": 0.01, "momentum": 0.9,
        "lr_multipliers": (("a/bias", 2.0), ("^b", 0.0)),
    }  # fmt: skip
    return dataclasses.replace(base, **(fixed | changes))


def caffe(params, gradients, steps):
    """yjxiong/caffe, src/caffe/solver.cpp: clip, decay, rate into the buffer."""
    kernel, bias = params["a"]["kernel"].copy(), params["a"]["bias"].copy()
    kernel_buffer, bias_buffer = 0.0, 0.0
    for i in range(steps):
        rate = 0.1 if i < 2 else 0.01
        norm = np.sqrt(sum((g**2).sum() for g in gradients["a"].values()))
        scale = min(1, 1.5 / norm)
        kernel_buffer = 0.9 * kernel_buffer + rate * (
            gradients["a"]["kernel"] * scale + 0.01 * kernel
        )
        bias_buffer = 0.9 * bias_buffer + 2 * rate * gradients["a"]["bias"] * scale
        kernel, bias = kernel - kernel_buffer, bias - bias_buffer
    return kernel, bias


def test_updates_equal_caffes():
    rng = np.random.default_rng(0)
    gradients = jax.tree.map(
        lambda p: rng.normal(size=p.shape).astype(np.float32), PARAMS
    )
    transform = optimizer.make(stage(), PARAMS)
    state, params = transform.init(PARAMS), PARAMS
    for _ in range(5):
        updates, state = transform.update(
            gradients, state, params, norm=optax.tree.norm(gradients["a"])
        )
        params = jax.tree.map(np.add, params, updates)
    kernel, bias = caffe(PARAMS, gradients, 5)
    np.testing.assert_allclose(params["a"]["kernel"], kernel, rtol=1e-5)
    np.testing.assert_allclose(params["a"]["bias"], bias, rtol=1e-5)
    np.testing.assert_array_equal(params["b"]["kernel"], PARAMS["b"]["kernel"])


def test_a_rule_that_matches_nothing_is_an_error():
    with pytest.raises(UsageError, match="no_such"):
        optimizer.make(stage(lr_multipliers=(("no_such", 0.0),)), PARAMS)


def test_frozen_parameters_get_no_gradient():
    factors = optimizer.lr_multipliers((("^b", 0.0),), PARAMS)

    def total(params):
        stopped = optimizer.stop_frozen(factors, params)
        return sum(x.sum() for x in jax.tree.leaves(stopped))

    gradients = jax.grad(total)(PARAMS)
    assert (gradients["a"]["kernel"] == 1).all() and (
        gradients["b"]["kernel"] == 0
    ).all()
