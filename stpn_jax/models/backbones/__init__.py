"""The table of backbones: a new one is a file and a row."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

from stpn_jax.models.backbones import bn_inception, efficientnet_lite, resnet, tiny, vgg


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """How bytes become a network's input: (value - mean) / std per channel.

    Attributes:
        mean: one value a channel in `order`, or a single one for all.
        std: alike.
        order: of an RGB image's channels as the weights expect them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Literal["rgb", "bgr"] = "rgb"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A row of the table.

    Attributes:
        module: Flax module class (or a partial of one) with the fields of base.Base;
            it is called with (x [n y x c], train), c being 3 or 2L, and returns the
            last map.
        channels: of that map.
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


# torchvision's, for bytes; quantised flow gets their mean spread.
IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
IMAGENET_FLOW = Normalisation((128.0,), (57.63,))
# Of the authors' Caffe models of VGG and ResNet.
CAFFE = Normalisation((103.939, 116.779, 123.68), (1.0,), "bgr")
CAFFE_FLOW = Normalisation((128.0,), (1.0,))


def _resnet(depth: int) -> Backbone:
    return Backbone(
        module=functools.partial(resnet.ResNet, depth=depth),
        channels=resnet.CHANNELS,
        rgb=IMAGENET,
        flow=IMAGENET_FLOW,
    )


def _caffe_resnet(depth: int) -> Backbone:
    return Backbone(
        module=functools.partial(
            resnet.ResNet, depth=depth, caffe=True, stem_bias=depth == 50
        ),
        channels=resnet.CHANNELS,
        rgb=CAFFE,
        flow=CAFFE_FLOW,
    )


def _vgg(caffe: bool) -> Backbone:
    return Backbone(
        module=functools.partial(vgg.VGG16, caffe=caffe),
        channels=vgg.CHANNELS,
        rgb=CAFFE if caffe else IMAGENET,
        flow=CAFFE_FLOW if caffe else IMAGENET_FLOW,
        hidden=vgg.HIDDEN,
        grid=vgg.GRID,
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
    "vgg16": _vgg(caffe=False),
    "vgg16_caffe": _vgg(caffe=True),
    "resnet50": _resnet(50),
    "resnet50_caffe": _caffe_resnet(50),
    "resnet152": _resnet(152),
    "resnet152_caffe": _caffe_resnet(152),
    "efficientnet_lite0": Backbone(
        module=efficientnet_lite.EfficientNetLite0,
        channels=efficientnet_lite.CHANNELS,
        rgb=Normalisation((127.0,), (128.0,)),
        flow=Normalisation((128.0,), (128.0,)),
    ),
}
