"""The small residual network: shape, size, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax.models.backbones import base, tiny

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.mark.parametrize("channels, count", ((3, 72480), (20, 73568)))
def test_shape_and_parameter_count(channels, count):
    network = tiny.Tiny()
    x = jnp.zeros((2, 64, 64, channels))
    y, variables = jax.eval_shape(
        lambda x: network.init_with_output(jax.random.key(0), x), x
    )
    assert y.shape == (2, 8, 8, tiny.CHANNELS)
    assert sum(p.size for p in jax.tree.leaves(variables["params"])) == count


def test_gradient_steps_lower_the_loss():
    network = tiny.Tiny()
    rng = np.random.default_rng(0)
    labels = jnp.arange(8) % 2
    x = rng.normal(size=(8, 16, 16, 3)) + np.asarray(labels)[:, None, None, None]
    variables = jax.jit(network.init)(jax.random.key(0), x)

    def loss(params):
        y, _ = network.apply(
            {**variables, "params": params}, x, True, mutable=["batch_stats"]
        )
        logits = y.mean((1, 2))[:, :2]
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(8), labels])

    step = jax.jit(jax.value_and_grad(loss))
    params, losses = variables["params"], []
    for _ in range(10):
        value, gradient = step(params)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)
        losses.append(float(value))
    assert losses[-1] < losses[0] / 2


def test_bfloat16_keeps_parameters_in_float32():
    network = tiny.Tiny(base.BackboneOptions(dtype=jnp.bfloat16))
    y, variables = jax.eval_shape(
        lambda: network.init_with_output(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    )
    assert y.dtype == jnp.bfloat16
    assert {p.dtype for p in jax.tree.leaves(variables)} == {np.dtype("float32")}
