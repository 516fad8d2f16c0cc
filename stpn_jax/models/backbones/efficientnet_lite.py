"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

Source: tensorflow/tpu, models/official/efficientnet/lite (2020).
"""

import functools
from typing import NamedTuple

import jax
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models.backbones import base

STEM = 32
CHANNELS = 1280
EPSILON = 1e-3
MOMENTUM = 0.99


class Stage(NamedTuple):
    """Inverted residual blocks in a row; the stride is the first one's."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


LITE0 = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class EfficientNetLite0(base.Base):
    """The network up to its last map: 1280 channels at 1/32 of the side.

    Stochastic depth, which the ImageNet training used, is left out.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 1280"]:
        fields = self.fields()
        stem = ConvNorm(
            features=STEM, kernel=3, stride=2, is_first=True, name="stem", **fields
        )
        x = jax.nn.relu6(stem(x, train))
        index = 0
        for stage in LITE0:
            for repeat in range(stage.blocks):
                stride = stage.stride if repeat == 0 else 1
                body = functools.partial(
                    EfficientNetLite0._block,
                    stage=stage,
                    stride=stride,
                    name=f"block{index}",
                    train=train,
                )
                x = self.block(body, x)
                index += 1
        return jax.nn.relu6(
            ConvNorm(features=CHANNELS, name="head", **fields)(x, train)
        )

    def _block(
        self, x: Array, stage: Stage, stride: int, name: str, train: bool
    ) -> Array:
        made = Block(stage=stage, stride=stride, name=name, **self.fields())
        return made(x, train)


class Block(base.Base):
    """Inverted residual: 1x1 expansion, depthwise convolution, 1x1 projection."""

    stage: Stage = LITE0[0]
    stride: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool
    ) -> Float[Array, "n y2 x2 d"]:
        fields = self.fields()
        width = x.shape[-1] * self.stage.expansion
        y = x
        if self.stage.expansion > 1:
            y = jax.nn.relu6(
                ConvNorm(features=width, name="expand", **fields)(y, train)
            )
        depthwise = ConvNorm(
            features=width,
            kernel=self.stage.kernel,
            stride=self.stride,
            depthwise=True,
            name="depthwise",
            **fields,
        )
        y = jax.nn.relu6(depthwise(y, train))
        y = ConvNorm(features=self.stage.width, name="project", **fields)(y, train)
        return x + y if x.shape == y.shape else y


class ConvNorm(base.Base):
    """A convolution with SAME padding, then batch norm."""

    features: int = STEM
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    is_first: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool
    ) -> Float[Array, "n y2 x2 d"]:
        conv = self.conv(
            "conv",
            self.features,
            self.kernel,
            self.stride,
            padding="SAME",
            depthwise=self.depthwise,
        )
        norm = self.norm("bn", self.is_first, momentum=MOMENTUM, epsilon=EPSILON)
        return norm(conv(x), train)
