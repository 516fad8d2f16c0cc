"""Grafting is strict, and inflation is the mean over the colours."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax import errors, weights
from stpn_jax.models.backbones import bn_inception
from stpn_jax.weights import graft, source, tables, torch_file


def _tree(**leaves):
    return {"params": {name: np.zeros(shape) for name, shape in leaves.items()}}


def test_graft_returns_the_loaded_values_in_the_networks_types():
    template = jax.eval_shape(lambda: {"params": {"a": jnp.zeros((2, 3))}})
    found = graft.graft(template, {"params": {"a": np.ones((2, 3))}}, "file.pth")
    assert found["params"]["a"].dtype == np.float32
    assert found["params"]["a"].sum() == 6


def test_graft_names_all_that_is_wrong():
    with pytest.raises(errors.UsageError) as error:
        graft.graft(
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


def test_unknown_tensors_are_named():
    tensors = {f"layer{i}.weight": np.zeros(1) for i in range(7)}
    with pytest.raises(errors.UsageError, match=r"layer0.weight.* and 2 more"):
        graft.convert(tables.BN_INCEPTION, tensors, "file.pth")


def test_inflation_is_the_mean_over_colours():
    kernel = np.random.default_rng(0).normal(size=(7, 7, 3, 4)).astype(np.float32)
    flow = graft.inflate(kernel, 20)
    assert flow.shape == (7, 7, 20, 4)
    for channel in range(20):
        np.testing.assert_allclose(flow[:, :, channel], kernel.mean(2), rtol=1e-6)
    assert graft.inflate(kernel, 3) is kernel


def _torch_names(params):
    """A BN-Inception state_dict with the public names and torch's layouts."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, leaves in params.items():
        shape = leaves["scale" if name.endswith("_bn") else "kernel"].shape
        if name.endswith("_bn"):
            for part in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{name}.{part}"] = rng.normal(size=(1, *shape))
            tensors[f"{name}.num_batches_tracked"] = np.int64(0)
        else:
            k, _, c, d = shape
            tensors[f"{name}.weight"] = rng.normal(size=(d, c, k, k))
            tensors[f"{name}.bias"] = rng.normal(size=d)
    tensors["last_linear.weight"] = rng.normal(size=(1000, 1024))
    tensors["last_linear.bias"] = rng.normal(size=1000)
    return tensors


@functools.cache
def _template(channels):
    network = bn_inception.BNInception()
    x = jnp.zeros((1, 64, 64, channels))
    return jax.eval_shape(lambda: network.init(jax.random.key(0), x))


@pytest.fixture
def bn_inception_file(monkeypatch, tmp_path):
    tensors = _torch_names(_template(3)["params"])
    path = tmp_path / "bn_inception.pth"
    path.touch()
    monkeypatch.setattr(torch_file, "read", lambda _: tensors)
    return str(path), tensors


@pytest.mark.parametrize("channels", (3, 20))
def test_bn_inception_names_fit(bn_inception_file, channels):
    path, tensors = bn_inception_file
    loaded = weights.load("bn_inception", path, channels)
    variables = graft.graft(_template(channels), loaded, path)
    name = "inception_4e_double_3x3_2"
    np.testing.assert_allclose(
        variables["params"][name]["kernel"],
        tensors[f"{name}.weight"].transpose(2, 3, 1, 0),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        variables["batch_stats"][f"{name}_bn"]["var"],
        tensors[f"{name}_bn.running_var"][0],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        variables["params"]["conv1_7x7_s2"]["bias"],
        tensors["conv1_7x7_s2.bias"],
        rtol=1e-6,
    )


def test_classifier(bn_inception_file):
    path, tensors = bn_inception_file
    classifier = weights.load_classifier("bn_inception", path)
    np.testing.assert_allclose(
        classifier["kernel"], tensors["last_linear.weight"].T, rtol=1e-6
    )
    assert classifier["bias"].shape == (1000,)


def test_a_file_with_a_tensor_missing_is_refused(bn_inception_file):
    path, tensors = bn_inception_file
    del tensors["inception_3a_1x1.bias"]
    loaded = weights.load("bn_inception", path)
    with pytest.raises(
        errors.UsageError, match="missing: params/inception_3a_1x1/bias"
    ):
        graft.graft(_template(3), loaded, path)


def test_missing_weights_say_what_to_do():
    with pytest.raises(errors.UsageError, match=r"/nowhere/bn.pth.*:lite0"):
        weights.load("bn_inception", "/nowhere/bn.pth")
    with pytest.raises(errors.UsageError, match="package:efficientnet-lite0"):
        source.locate("package:lite9")
    with pytest.raises(errors.UsageError, match="tiny"):
        weights.load("tiny", "package:efficientnet-lite0")
