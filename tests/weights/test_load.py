"""Loading whole files: our own exports, and the real ones that packages ship."""

import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import linen as nn
from flax import traverse_util

from stpn_jax.models import layers
from stpn_jax.models.backbones import BACKBONES
from stpn_jax.utils import errors
from stpn_jax.weights import assign, pretrained, source

WRITERS = {
    "npz": lambda path, tensors: np.savez(path, **tensors),
    "safetensors": lambda path, tensors: safetensors.numpy.save_file(tensors, path),
}
EACH = pytest.mark.parametrize("suffix", WRITERS)


class Mine(nn.Module):
    """A backbone that has no layout."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.relu(layers.Conv(4, 3, 2, padding=1, name="patches")(x))
        return layers.BatchNorm(name="norm")(x, train)


@functools.cache
def _variables(module, channels, seed=0):
    rng = np.random.default_rng(seed)
    x = jax.ShapeDtypeStruct((1, 16, 16, channels), jnp.float32)
    shapes = jax.eval_shape(module().init, jax.random.key(0), x)
    return jax.tree.map(
        lambda x: rng.normal(size=x.shape).astype(x.dtype), dict(shapes)
    )


def _flat(variables, inside=""):
    return {
        "/".join((path[0], *filter(None, (inside,)), *path[1:])): leaf
        for path, leaf in traverse_util.flatten_dict(variables).items()
    }


def _write(tmp_path, suffix, tensors):
    path = tmp_path / f"own.{suffix}"
    WRITERS[suffix](path, tensors)
    return path


def _network(module):
    """Names as an artifact's weights.npz has them."""
    return (
        _flat(_variables(module, 3, seed=1), "spatial/backbone")
        | _flat(_variables(module, 20, seed=2), "temporal/backbone")
        | {"params/classifier/dense/kernel": np.zeros((8, 5), np.float32)}
        | {"sketches/pyramid_fusion/h": np.zeros(8, np.int32)}
    )


@EACH
@pytest.mark.parametrize("module", (BACKBONES["tiny"].module, Mine))
def test_streams_of_an_exported_network(tmp_path, suffix, module):
    path = _write(tmp_path, suffix, _network(module))
    name = "mine" if module is Mine else "tiny"
    for channels, seed in ((3, 1), (20, 2)):
        found = pretrained.load(name, str(path), channels)
        expected = _variables(module, channels, seed)
        variables = assign.assign(expected, found.variables, str(path))
        jax.tree.map(np.testing.assert_array_equal, variables, expected)
        assert found.layout == "stpn_jax"
        assert found.hidden == {}
        assert found.classifier is None
        assert found.checksum == hashlib.sha256(path.read_bytes()).hexdigest()


@EACH
@pytest.mark.parametrize("module", (BACKBONES["tiny"].module, Mine))
def test_a_backbone_alone_and_its_inflation(tmp_path, suffix, module):
    path = str(_write(tmp_path, suffix, _flat(_variables(module, 3))))
    name = "mine" if module is Mine else "tiny"
    assign.assign(_variables(module, 3), pretrained.load(name, path).variables, path)
    flow = pretrained.load(name, path, 20).variables
    assign.assign(_variables(module, 20), flow, path)


def test_head_of_a_backbone_alone(tmp_path):
    head = {
        "classifier/kernel": np.ones((64, 5), np.float32),
        "classifier/bias": np.zeros(5, np.float32),
    }
    tensors = _flat(_variables(BACKBONES["tiny"].module, 3)) | head
    found = pretrained.load("tiny", str(_write(tmp_path, "npz", tensors)))
    assert found.classifier["kernel"].shape == (64, 5)


def test_the_only_stream_serves_both(tmp_path):
    module = BACKBONES["tiny"].module
    tensors = _flat(_variables(module, 3), "spatial/backbone")
    path = str(_write(tmp_path, "npz", tensors))
    flow = pretrained.load("tiny", path, 20).variables
    assign.assign(_variables(module, 20), flow, path)
    tensors = _flat(_variables(module, 20), "temporal/backbone")
    path = str(_write(tmp_path, "npz", tensors))
    with pytest.raises(errors.UsageError, match=r"own\.npz.* 20 .* 3"):
        pretrained.load("tiny", path, 3)


def test_paths_that_cannot_be_a_tree_are_rejected(tmp_path):
    tensors = {"params/a": np.zeros(1), "params/a/b": np.zeros(1)}
    path = str(_write(tmp_path, "npz", tensors))
    with pytest.raises(errors.UsageError, match=r"own\.npz.*params/a"):
        pretrained.load("tiny", path)


@pytest.mark.parametrize("channels", (3, 20))
@pytest.mark.parametrize(
    "backbone, name, layout",
    (
        ("efficientnet_lite0", "efficientnet-lite0", "pytorch"),
        ("efficientnet_lite1", "efficientnet-lite1", "pytorch"),
        ("efficientnet_lite2", "efficientnet-lite2", "pytorch"),
        ("vgg16_caffe", "hed-vgg16", "hed"),
    ),
)
def test_files_that_packages_ship(backbone, name, layout, channels):
    file = source.PREFIX + name
    try:
        source.locate(file)
    except errors.UsageError as error:
        pytest.skip(str(error))
    found = pretrained.load(backbone, file, channels)
    x = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    module = BACKBONES[backbone].module()
    template = jax.eval_shape(module.init, jax.random.key(0), x)
    assign.assign(template, found.variables, file)
    assert found.layout == layout
    assert (found.classifier is None) == (name == "hed-vgg16")
