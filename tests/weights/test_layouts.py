"""Every layout converts every tensor of its kind of file to the right variable."""

import fake_layouts
import numpy as np
import pytest
from flax import traverse_util

from stpn_jax.models.backbones import BACKBONES
from stpn_jax.utils import errors
from stpn_jax.weights import assign, channels, formats, layouts, pretrained

# As their smaller kinds, with more of the same layers.
LARGER = ("resnet152", "resnet152_caffe", "efficientnet_lite1", "efficientnet_lite2")
EVERY = pytest.mark.parametrize(
    "backbone, layout",
    [
        pytest.param(*one, marks=[pytest.mark.slow] if one[0] in LARGER else [])
        for one in fake_layouts.LAYOUTS
    ],
)


def _with_factors(tensors):
    """Statistics of BatchNorm layers as sums over as many values as the factor."""
    for name in [n for n in tensors if n.startswith("bn") and n.endswith("/0")]:
        layer = name.removesuffix("/0")
        for blob in range(2):
            tensors[f"{layer}/{blob}"] = tensors[f"{layer}/{blob}"] * np.float32(4)
        tensors[f"{layer}/2"] = np.full(1, 4, np.float32)
    return tensors


def _file(tensors):
    return formats.WeightFile("fake.file", "torch", 0, "0" * 64, dict(tensors))


def _fake(backbone, layout, channels=3):
    tensors = fake_layouts.tensors(backbone, layout, channels)
    return _with_factors(tensors) if "caffe" in backbone else tensors


@pytest.fixture
def load(monkeypatch):
    """pretrained.load on tensors in place of a file."""

    def load(backbone, tensors, channels=3):
        monkeypatch.setattr(pretrained.source, "locate", lambda name: name)
        monkeypatch.setattr(formats, "read", lambda _: _file(tensors))
        return pretrained.load(backbone, "fake.file", channels)

    return load


@EVERY
def test_all_tensors_become_the_right_variables(load, backbone, layout):
    found = load(backbone, _fake(backbone, layout))
    assert found.layout == layout.split(",")[0]
    collections = found.variables | {
        "hidden": found.hidden,
        "classifier": found.classifier,
    }
    flat = traverse_util.flatten_dict(collections, sep="/")
    expected = fake_layouts.values(backbone)
    shapes = {path: leaf.shape for path, leaf in flat.items()}
    assert shapes == fake_layouts.shapes(backbone)
    for path, leaf in flat.items():
        assert leaf.dtype == np.float32
        assert leaf.flat[0] == leaf.flat[-1] == expected[path], path


@pytest.mark.parametrize("backbone", ("bn_inception", "resnet50_caffe"))
def test_weights_for_five_flows_and_for_ten(load, backbone):
    layout = next(kind for name, kind in fake_layouts.LAYOUTS if name == backbone)
    path = "params/" + channels.FIRST_KERNEL[backbone]
    for file, wanted, share in ((3, 20, 1), (10, 20, 0.5), (20, 20, 1)):
        found = load(backbone, _fake(backbone, layout, file), wanted)
        flat = traverse_util.flatten_dict(found.variables, sep="/")
        assert flat[path].shape == fake_layouts.shapes(backbone, wanted)[path]
        value = fake_layouts.values(backbone, file)[path]
        np.testing.assert_allclose(flat[path].ravel()[::97], share * value, rtol=1e-6)
    with pytest.raises(errors.UsageError, match=r"fake\.file.* 10 .* 3"):
        load(backbone, _fake(backbone, layout, 10), 3)


def test_every_backbone_has_a_first_kernel():
    assert set(channels.FIRST_KERNEL) == set(BACKBONES)
    assert set(layouts.LAYOUTS) == {name for name, _ in fake_layouts.LAYOUTS}
    for backbone, path in channels.FIRST_KERNEL.items():
        assert fake_layouts.shapes(backbone)[f"params/{path}"][2] == 3


@pytest.mark.parametrize(
    "backbone, wrong, layout",
    (
        ("resnet50", "resnet152", "torchvision"),
        ("bn_inception", "resnet50", "torchvision"),
        ("resnet50", "resnet50_caffe", "caffe"),
        ("resnet50_caffe", "resnet152_caffe", "caffe"),
        ("vgg16", "vgg16_caffe", "keras, 1"),
        ("vgg16_caffe", "vgg16", "timm"),
        ("tiny", "bn_inception", "caffe"),
    ),
)
def test_error_names_the_backbone_of_the_file(load, backbone, wrong, layout):
    kind = layout.split(",")[0]
    with pytest.raises(errors.UsageError, match=rf"{wrong} \({kind}\): set model"):
        load(backbone, _fake(wrong, layout))


def test_unknown_tensors_are_named(load):
    tensors = _fake("bn_inception", "pytorch") | {"aux.weight": np.zeros(1)}
    with pytest.raises(errors.UsageError, match=r"fake\.file: aux\.weight belong"):
        load("bn_inception", tensors)
    with pytest.raises(errors.UsageError, match="mine reads only what stpn_jax"):
        load("mine", tensors)


def test_batch_normalised_vgg_is_rejected(load):
    tensors = {"features.0.weight": np.zeros((64, 3, 3, 3))}
    tensors |= {f"features.1.{n}": np.zeros(64) for n in ("weight", "running_mean")}
    tensors |= {"features.3.weight": np.zeros((64, 64, 3, 3))}
    with pytest.raises(errors.UsageError, match=r"features\.1\.weight.*features\.3"):
        load("vgg16", tensors)


def test_missing_and_misshapen_tensors_are_named_when_assigned(load):
    tensors = _fake("bn_inception", "caffe")
    del tensors["inception_3a/1x1/1"]
    tensors["inception_5b/3x3_bn/0"] = np.zeros(7)
    found = load("bn_inception", tensors).variables
    template = load("bn_inception", _fake("bn_inception", "caffe")).variables
    with pytest.raises(errors.UsageError) as error:
        assign.assign(template, found, "fake.file")
    assert "missing: params/inception_3a_1x1/bias" in str(error.value)
    assert "params/inception_5b_3x3_bn/scale is 7, expected 320" in str(error.value)


def test_a_tensor_of_the_wrong_rank_is_named(load):
    tensors = _fake("bn_inception", "pytorch")
    tensors["conv2_3x3.weight"] = np.zeros(5)
    with pytest.raises(errors.UsageError, match=r"conv2_3x3\.weight has shape 5"):
        load("bn_inception", tensors)
    tensors["conv2_3x3.weight"] = np.zeros((192, 64, 3, 3))
    tensors["conv2_3x3.bias"] = np.zeros((2, 96))
    with pytest.raises(errors.UsageError, match=r"conv2_3x3\.bias has shape 2x96"):
        load("bn_inception", tensors)


def test_two_tensors_for_one_variable_are_rejected(load):
    tensors = _fake("bn_inception", "pytorch")
    tensors["fc.weight"] = tensors["last_linear.weight"]
    with pytest.raises(errors.UsageError, match=r"fc\.weight is not the only"):
        load("bn_inception", tensors)


def test_files_without_a_classifier_and_with_other_classes(load):
    tensors = _fake("bn_inception", "caffe")
    classes = tensors | {
        "fc-action/0": np.zeros((101, 1024)),
        "fc-action/1": np.zeros(101),
    }
    assert load("bn_inception", classes).classifier["kernel"].shape == (1024, 101)
    for name in ("fc-action/0", "fc-action/1"):
        del tensors[name]
    assert load("bn_inception", tensors).classifier is None


@pytest.mark.parametrize("axes", (2, 4))
def test_fc6_takes_maps_flattened_as_y_x_c(axes):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 512, 7, 7)).astype(np.float32)
    maps = rng.normal(size=(512, 7, 7)).astype(np.float32)
    expected = np.einsum("dcyx,cyx->d", kernel, maps)
    ours = layouts.grid_kernel(kernel if axes == 4 else kernel.reshape(5, -1))
    np.testing.assert_allclose(
        maps.transpose(1, 2, 0).reshape(-1) @ ours, expected, rtol=1e-3, atol=1e-3
    )
    legacy = layouts.grid_kernel(kernel.reshape(1, 1, 5, -1))
    np.testing.assert_array_equal(legacy, ours)


def test_kernels_are_transposed():
    kernel = np.arange(2 * 3 * 5 * 4).reshape(2, 3, 5, 4)
    turned = layouts.conv_kernel(kernel)
    assert turned[4, 2, 1, 1] == kernel[1, 1, 4, 2]
    assert layouts.dense_kernel(kernel[0, 0])[3, 2] == kernel[0, 0, 2, 3]


@pytest.mark.parametrize("factor, share", ((4.0, 0.25), (0.0, 0.0), (1.0, 1.0)))
def test_statistics_are_divided_by_their_factor(factor, share):
    tensors = {f"bn2a_branch1/{i}": np.full(3, i + 2.0) for i in range(2)}
    tensors["bn2a_branch1/2"] = np.array([factor])
    found = layouts.caffe_resnet(50).prepare(tensors)
    assert set(found) == {
        "bn/layer1_0_downsample_bn/mean",
        "bn/layer1_0_downsample_bn/var",
    }
    for index, name in enumerate(("mean", "var")):
        value = found[f"bn/layer1_0_downsample_bn/{name}"]
        np.testing.assert_allclose(value, share * (index + 2))


def test_statistics_without_their_factor_are_rejected(load):
    tensors = _fake("resnet50_caffe", "caffe")
    del tensors["bn2a_branch1/2"]
    with pytest.raises(errors.UsageError, match="layer1_0_downsample_bn/0"):
        load("resnet50_caffe", tensors)
