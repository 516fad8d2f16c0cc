"""Every backbone and every network: parameter counts and shapes of the outputs."""

import dataclasses
import functools
import itertools
import math

import jax
import numpy as np
import pytest
from reference import snippets

from configs import demo
from stpn_jax import config as configs
from stpn_jax.models import backbones, build, fusion, stpn
from stpn_jax.models.backbones import base

# Parameters with a classifier of 1000 ImageNet classes, and the feature map's shape.
CENSUS = {
    "tiny": (137_480, (28, 28, 64)),
    "bn_inception": (11_295_240, (7, 7, 1024)),
    "vgg16": (138_357_544, (7, 7, 512)),
    "vgg16_caffe": (138_357_544, (7, 7, 512)),
    "resnet50": (25_557_032, (7, 7, 2048)),
    "resnet50_caffe": (25_557_096, (7, 7, 2048)),
    "resnet152": (60_192_808, (7, 7, 2048)),
    "resnet152_caffe": (60_192_808, (7, 7, 2048)),
    "efficientnet_lite0": (4_652_008, (7, 7, 1280)),
    "efficientnet_lite1": (5_416_680, (7, 7, 1280)),
    "efficientnet_lite2": (6_092_072, (7, 7, 1280)),
}
# What 20 channels add to the first kernel: 17 times its other sides.
FIRST_KERNEL = {
    "tiny": 2 * 2 * 16,
    "vgg16": 3 * 3 * 64,
    "vgg16_caffe": 3 * 3 * 64,
    "efficientnet_lite0": 3 * 3 * 32,
    "efficientnet_lite1": 3 * 3 * 32,
    "efficientnet_lite2": 3 * 3 * 32,
}
# They take longest, and repeat their smaller kinds.
LARGER = ("resnet152", "resnet152_caffe", "efficientnet_lite1", "efficientnet_lite2")
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in LARGER else [])
    for name in CENSUS
]
SMALLER = [name for name in CENSUS if name not in LARGER]
CONFIG = configs.from_config_dict(demo.get_config())
PYRAMID = CONFIG.stages[2]


def test_every_backbone_has_a_row():
    assert set(CENSUS) == set(backbones.BACKBONES)


@functools.cache
def shapes(name, channels, side=224):
    network = backbones.BACKBONES[name].module()
    image = jax.ShapeDtypeStruct((1, side, side, channels), np.float32)
    return jax.eval_shape(
        lambda x: network.init_with_output(jax.random.key(0), x), image
    )


@pytest.mark.parametrize("name", NAMES)
def test_image_backbone(name):
    count, grid = CENSUS[name]
    row = backbones.BACKBONES[name]
    feature_map, variables = shapes(name, 3)
    assert feature_map.shape == (1, *grid) and row.channels == grid[-1]
    widths = [row.channels * max(row.grid, 1) ** 2, *row.hidden, 1000]
    head = sum((a + 1) * b for a, b in itertools.pairwise(widths))
    assert size(variables["params"]) + head == count


@pytest.mark.parametrize("name", NAMES)
def test_flow_backbone_differs_in_the_first_kernel_alone(name):
    feature_map, variables = shapes(name, 20)
    assert feature_map.shape == (1, *CENSUS[name][1])
    more = size(variables["params"]) - size(shapes(name, 3)[1]["params"])
    assert more == 17 * FIRST_KERNEL.get(name, 7 * 7 * 64)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ("frozen", "first", "trained"))
@pytest.mark.parametrize("name", SMALLER)
def test_batch_norm_modes_have_the_same_variables(name, mode):
    network = backbones.BACKBONES[name].module(
        options=base.BackboneOptions(batch_norm=mode)
    )
    image = jax.ShapeDtypeStruct((1, 224, 224, 3), np.float32)
    found = jax.eval_shape(network.init, jax.random.key(0), image)
    assert jax.tree.structure(found) == jax.tree.structure(shapes(name, 3)[1])


def size(tree):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def outputs(name, paths, backbone="tiny", side=32, **model):
    """Shapes of a network's outputs for two snippets, without computing any."""
    stage = dataclasses.replace(PYRAMID, network=name, paths=paths)
    network = build.build(
        dataclasses.replace(CONFIG.model, backbone=backbone, **model),
        stage,
        classes=5,
        input_size=side,
        resize=False,
        axis_name=None,
    )
    frames = 0 if name == "temporal" else 1
    batch = snippets.batch(frames=frames, paths=paths, side=side)
    return jax.eval_shape(lambda: network.init_with_output(jax.random.key(0), batch)[0])


@pytest.mark.parametrize("paths", (1, 3, 5))
@pytest.mark.parametrize("kind", fusion.FUSIONS)
def test_paths_fuse_by_every_kind(kind, paths):
    if kind == "bilinear" and paths > 3:
        return  # 64^5 products.
    config = dataclasses.replace(CONFIG.model.temporal, kind=kind, width=32)
    found = outputs("temporal", paths, temporal=config).features["temporal"]
    widths = {"stcb": 32, "concatenation": 64 * paths, "bilinear": 64**paths}
    assert found.shape == (2, 64 if paths == 1 else widths.get(kind, 64))


@pytest.mark.parametrize("source", (*stpn.ATTENTION_SOURCES, "none"))
@pytest.mark.parametrize("kind", ("stcb", "concatenation", "sum"))
def test_pyramid_with_and_without_attention(source, kind):
    config = dataclasses.replace(CONFIG.model.pyramid, kind=kind, width=128)
    found = outputs("pyramid", 1, attention_from=source, pyramid=config)
    vectors = 2 if source == "none" else 3
    width = {"stcb": 128, "concatenation": 64 * vectors, "sum": 64}[kind]
    assert found.features["fused"].shape == (2, width)
    assert ("attended" in found.features) == (source != "none")
    assert (found.attention is None) == (source == "none")


@pytest.mark.parametrize("source", stpn.ATTENTION_SOURCES)
@pytest.mark.parametrize("kind", ("stcb", "concatenation", "sum"))
def test_attended_network_classifies_the_attended_feature(source, kind):
    config = dataclasses.replace(CONFIG.model.attention, kind=kind)
    found = outputs("attended", 1, attention_from=source, attention=config)
    assert found.features["attended"].shape == (2, 64)
    assert found.attention.shape == (2, 4, 4) and found.logits.shape == (2, 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLER)
@pytest.mark.parametrize(
    ("network", "paths"), (("spatial", 0), ("temporal", 1), ("pyramid", 5))
)
def test_every_network_takes_every_backbone(name, network, paths):
    found = outputs(network, paths, backbone=name, side=64)
    assert found.logits.shape == (2, 5)
