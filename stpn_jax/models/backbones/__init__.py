"""The table of backbones: a new one is a file and a row."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from stpn_jax.models.backbones import bn_inception, efficientnet_lite, resnet, tiny, vgg
from stpn_jax.models.preprocessing import Normalisation as Normalisation


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A row of BACKBONES.

    Attributes:
        module: Flax module class (or a partial of one) with a field `options`, of
            base.BackboneOptions; it is called with (x [n y x c], train), c being 3 or
            2L, and returns the feature map.
        channels: of the feature map.
        rgb: of images.
        flow: of quantised flow, whose zero is 128.
        hidden: widths of the fully connected layers before the classifier.
        grid: side of the map that the first of them sees; 0 for pooled features.
    """

    module: Callable[..., Any]
    channels: int
    rgb: Normalisation
    flow: Normalisation
    hidden: tuple[int, ...] = ()
    grid: int = 0


# Of images and of flow: torchvision's for bytes, their mean deviation for flow.
IMAGENET = (
    Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    Normalisation((128.0,), (57.63,)),
)
# Of the authors' Caffe models of VGG and ResNet.
CAFFE = (
    Normalisation((103.939, 116.779, 123.68), (1.0,), "bgr"),
    Normalisation((128.0,), (1.0,)),
)


def _resnet(depth: int, caffe: bool = False) -> Backbone:
    module = functools.partial(
        resnet.ResNet, depth=depth, caffe=caffe, stem_bias=caffe and depth == 50
    )
    return Backbone(module, resnet.CHANNELS, *(CAFFE if caffe else IMAGENET))


def _vgg(caffe: bool = False) -> Backbone:
    module = functools.partial(vgg.VGG16, caffe=caffe)
    inputs = CAFFE if caffe else IMAGENET
    return Backbone(module, vgg.CHANNELS, *inputs, vgg.HIDDEN, vgg.GRID)


def _lite(stages: tuple[efficientnet_lite.Stage, ...]) -> Backbone:
    return Backbone(
        module=functools.partial(efficientnet_lite.EfficientNetLite, stages=stages),
        channels=efficientnet_lite.CHANNELS,
        rgb=Normalisation((127.0,), (128.0,)),
        flow=Normalisation((128.0,), (128.0,)),
    )


BACKBONES = {
    "tiny": Backbone(
        module=tiny.Tiny,
        channels=tiny.CHANNELS,
        rgb=Normalisation((128.0,), (64.0,)),
        flow=Normalisation((128.0,), (64.0,)),
    ),
    "bn_inception": Backbone(
        module=bn_inception.BNInception,
        channels=bn_inception.CHANNELS,
        rgb=Normalisation((104.0, 117.0, 123.0), (1.0,), "bgr"),
        flow=Normalisation((128.0,), (1.0,)),
    ),
    "vgg16": _vgg(),
    "vgg16_caffe": _vgg(caffe=True),
    "resnet50": _resnet(50),
    "resnet50_caffe": _resnet(50, caffe=True),
    "resnet152": _resnet(152),
    "resnet152_caffe": _resnet(152, caffe=True),
    "efficientnet_lite0": _lite(efficientnet_lite.LITE0),
    "efficientnet_lite1": _lite(efficientnet_lite.LITE1),
    "efficientnet_lite2": _lite(efficientnet_lite.LITE2),
}
