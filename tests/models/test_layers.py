"""Layers against numpy and against XLA's plain convolution, on every platform."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import test_util

from stpn_jax.models import layers

pytestmark = pytest.mark.usefixtures("quickly_compiled")

# (channels in, channels out, kernel, stride, padding, depthwise)
FORMS = (
    (5, 7, 3, 1, 1, False),
    (5, 7, 1, 1, 0, False),
    (5, 7, 1, 2, 0, False),
    (5, 7, 2, 2, 0, False),
    (5, 7, 5, 2, "SAME", False),
    (6, 6, 3, 1, 1, True),
    (6, 6, 5, 2, "SAME", True),
    (6, 6, 3, 2, 1, True),
)


def _inputs(form, side=9):
    inputs, outputs, kernel, _, _, depthwise = form
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, side, side, inputs)).astype(np.float32)
    shape = (kernel, kernel, 1 if depthwise else inputs, outputs)
    return x, rng.normal(size=shape).astype(np.float32)


def _oracle(x, kernel, stride, padding):
    x, kernel = x.astype(np.float64), kernel.astype(np.float64)
    side = kernel.shape[0]
    total = max((-(-x.shape[1] // stride) - 1) * stride + side - x.shape[1], 0)
    before, after = (
        (total // 2, total - total // 2) if padding == "SAME" else (padding, padding)
    )
    x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), (1, 2))
    windows = windows[:, ::stride, ::stride]
    if kernel.shape[2] == 1:
        return np.einsum("nyxcij,ijc->nyxc", windows, kernel[:, :, 0])
    return np.einsum("nyxcij,ijcd->nyxd", windows, kernel)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", (9, 12))
def test_convolution_equals_the_oracle(form, side):
    x, kernel = _inputs(form, side)
    found = jax.jit(layers.convolve, static_argnums=(2, 3))(x, kernel, form[3], form[4])
    expected = _oracle(x, kernel, form[3], form[4])
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_the_plain_convolutions(form):
    x, kernel = _inputs(form)
    stride, padding = form[3:5]
    pads = tuple(layers._pads(size, form[2], stride, padding) for size in x.shape[1:3])

    def gradients(convolve):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(convolve(x, kernel)))

        return jax.jit(jax.grad(loss, (0, 1)))(x, kernel)

    ours = gradients(lambda x, k: layers.convolve(x, k, stride, padding))
    plain = gradients(lambda x, k: layers._plain(x, k, stride, pads))
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.slow
def test_depthwise_gradient_against_finite_differences():
    x, kernel = _inputs(FORMS[6], 5)
    test_util.check_grads(
        lambda x, k: layers.convolve(x, k, 2, "SAME"),
        (x, kernel),
        order=1,
        modes=["rev"],
        rtol=1e-2,
        atol=1e-2,
    )


def test_bfloat16_stays_bfloat16():
    x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in _inputs(FORMS[5]))
    found = layers.convolve(x, kernel, 1, 1)
    assert found.dtype == jnp.bfloat16
    expected = _oracle(np.float32(x), np.float32(kernel), 1, 1)
    np.testing.assert_allclose(np.float32(found), expected, atol=0.1)


@pytest.mark.parametrize("form", FORMS)
def test_one_export_serves_every_platform_and_batch(form):
    x, kernel = _inputs(form)
    (batch,) = jax.export.symbolic_shape("b")
    function = jax.jit(lambda x, k: layers.convolve(x, k, form[3], form[4]))
    exported = jax.export.export(function, platforms=("cpu", "cuda", "tpu"))(
        jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype), kernel
    )
    expected = function(x, kernel)
    np.testing.assert_allclose(exported.call(x, kernel), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", (FORMS[2], FORMS[6]))
def test_gradients_under_pmap(form):
    x, kernel = _inputs(form)

    def loss(kernel, x):
        return jnp.sum(layers.convolve(x, kernel, form[3], form[4]) ** 2)

    def step(kernel, x):
        return jax.lax.pmean(jax.grad(loss)(kernel, x), "data")

    found = jax.pmap(step, "data", in_axes=(None, 0), devices=jax.devices()[:1])(
        kernel, x[None]
    )
    np.testing.assert_allclose(found[0], jax.grad(loss)(kernel, x), rtol=1e-4)


def test_conv_has_a_bias_only_with_use_bias():
    x = jnp.zeros((1, 4, 4, 3))
    key = jax.random.key(0)
    with_bias = layers.Conv(5, 3, use_bias=True).init(key, x)["params"]
    assert jax.tree.map(jnp.shape, with_bias) == {"kernel": (3, 3, 3, 5), "bias": (5,)}
    assert set(layers.Conv(5, 3).init(key, x)["params"]) == {"kernel"}


def _norm(**fields):
    rng = np.random.default_rng(0)
    module = layers.BatchNorm(**fields)
    x = rng.normal(3, 2, (4, 3, 3, 6)).astype(np.float32)
    variables = module.init(jax.random.key(0), x, False)
    variables = jax.tree.map(
        lambda a: rng.uniform(0.5, 2, a.shape).astype(np.float32), variables
    )
    return module, variables, x


def test_batch_norm_in_training():
    module, variables, x = _norm(mode="trained")
    y, updates = module.apply(variables, x, True, mutable=["batch_stats"])
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    p, stats = variables["params"], variables["batch_stats"]
    expected = (x - mean) / np.sqrt(var + 1e-5) * p["scale"] + p["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    found = updates["batch_stats"]
    np.testing.assert_allclose(found["mean"], 0.9 * stats["mean"] + 0.1 * mean, 1e-5)
    unbiased = x.var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(found["var"], 0.9 * stats["var"] + 0.1 * unbiased, 1e-5)


def test_batch_norm_is_accurate_far_from_zero():
    module, variables, x = _norm(mode="trained")
    y, _ = module.apply(variables, x + 1e3, True, mutable=["batch_stats"])
    expected, _ = module.apply(variables, x, True, mutable=["batch_stats"])
    np.testing.assert_allclose(y, expected, atol=2e-3)


@pytest.mark.parametrize(
    "mean, deviation", ((0, 1), (1e3, 1e-2), (1e3, 1), (-30, 1e-3), (0, 0))
)
@pytest.mark.parametrize("shape", ((6, 9, 8, 5), (500, 5)))
def test_statistics_in_one_pass_lose_no_digits(mean, deviation, shape):
    noise = np.random.default_rng(0).normal(size=shape)
    x = (mean + deviation * noise).astype(np.float32)
    exact = x.astype(np.float64)
    axes = tuple(range(len(shape) - 1))
    found = jax.jit(layers.mean_and_variance)(x)
    np.testing.assert_allclose(found[0], exact.mean(axes), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[1], exact.var(axes), rtol=1e-5)


@pytest.mark.parametrize("mean", (0, 30, 1e3))
def test_statistics_of_bfloat16(mean):
    """Their error is small beside the variance that the rounding of x adds."""
    exact = mean + np.random.default_rng(0).normal(size=(8, 20, 20, 4))
    x = jnp.asarray(exact, jnp.bfloat16)
    _, variance = jax.jit(layers.mean_and_variance)(x)
    expected = np.asarray(x, np.float64).var((0, 1, 2))
    added = (mean / 2**8) ** 2 / 12
    np.testing.assert_allclose(variance, expected, atol=1e-4 + added / 10)


@pytest.mark.parametrize("mode", ("trained", "frozen"))
def test_an_offset_is_a_bias_added_before(mode):
    module, variables, x = _norm(mode=mode)
    bias = np.linspace(-2, 3, 6, dtype=np.float32)

    def call(x, offset):
        return module.apply(variables, x, True, offset, mutable=["batch_stats"])

    found, pull = jax.vjp(lambda bias: call(x, bias)[0], bias)
    added, pull_added = jax.vjp(lambda bias: call(x + bias, None)[0], bias)
    np.testing.assert_allclose(found, added, rtol=1e-4, atol=1e-5)
    for a, b in zip(
        jax.tree.leaves(call(x, bias)[1]),
        jax.tree.leaves(call(x + bias, None)[1]),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    slope = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    np.testing.assert_allclose(pull(slope)[0], pull_added(slope)[0], atol=1e-4)


@pytest.mark.parametrize(
    "mode, is_first, uses_batch",
    (("frozen", True, False), ("first", False, False), ("first", True, True)),
)
def test_partial_batch_norm(mode, is_first, uses_batch):
    module, variables, x = _norm(mode=mode, is_first=is_first)

    def loss(params):
        y, updates = module.apply(
            {**variables, "params": params}, x, True, mutable=["batch_stats"]
        )
        return jnp.sum(y**3), (y, updates)

    gradient, (y, updates) = jax.grad(loss, has_aux=True)(variables["params"])
    in_test = np.array_equal(y, module.apply(variables, x, False))
    kept = jax.tree.map(
        np.array_equal, updates["batch_stats"], variables["batch_stats"]
    )
    assert in_test != uses_batch
    assert all(jax.tree.leaves(kept)) != uses_batch
    assert bool(jnp.any(gradient["scale"] != 0)) == uses_batch


def test_synchronised_statistics_are_those_of_the_whole_batch():
    module, variables, x = _norm(mode="trained")
    shared = layers.BatchNorm(mode="trained", axis_name="data")
    call = functools.partial(shared.apply, mutable=["batch_stats"])
    shards, updates = jax.vmap(lambda x: call(variables, x, True), axis_name="data")(
        x.reshape(2, 2, *x.shape[1:])
    )
    whole, expected = module.apply(variables, x, True, mutable=["batch_stats"])
    np.testing.assert_allclose(shards.reshape(x.shape), whole, rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(updates), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a[0], b, rtol=1e-5)


def test_dropout_depends_on_the_sample_only():
    keys = jax.random.split(jax.random.key(0), 4)
    x = jnp.ones((4, 1000))
    y = layers.dropout(x, keys, 0.8)
    assert jnp.array_equal(y[1:3], layers.dropout(x[1:3], keys[1:3], 0.8))
    assert sorted(np.unique(y)) == pytest.approx([0, 5])
    assert abs(float(y.mean()) - 1) < 0.1
    assert layers.dropout(x, keys, 0.0) is x
