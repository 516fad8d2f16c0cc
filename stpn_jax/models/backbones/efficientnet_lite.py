"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6.

Source: tensorflow/tpu, models/official/efficientnet/lite (2020).
"""

import math
from typing import Any, NamedTuple

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
MULTIPLE = 8  # of which widths are


def scaled(width: float, depth: float) -> tuple[Stage, ...]:
    """The stages of a larger network; the first and the last keep their one block."""

    def channels(count: int) -> int:
        wanted = count * width
        nearest = max(MULTIPLE, int(wanted + MULTIPLE / 2) // MULTIPLE * MULTIPLE)
        return nearest + MULTIPLE if nearest < 0.9 * wanted else nearest

    return tuple(
        stage._replace(
            blocks=stage.blocks
            if stage in (LITE0[0], LITE0[-1])
            else math.ceil(depth * stage.blocks),
            width=channels(stage.width),
        )
        for stage in LITE0
    )


LITE1, LITE2 = scaled(1.0, 1.1), scaled(1.1, 1.2)


class EfficientNetLite(base.Base):
    """The network up to its last convolution: 1280 channels at 1/32 of the side.

    Stochastic depth, which the ImageNet training used, is left out.
    """

    stages: tuple[Stage, ...] = LITE0

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 1280"]:
        stem = ConvNorm(self.options, STEM, 3, 2, is_first=True, name="stem")
        x = jax.nn.relu6(stem(x, train))
        blocks = [(stage, i) for stage in self.stages for i in range(stage.blocks)]
        for index, (stage, repeat) in enumerate(blocks):
            stride = 1 if repeat else stage.stride
            fields = {"stage": stage, "stride": stride, "name": f"block{index}"}
            x = self.block(EfficientNetLite._block, x, train=train, **fields)
        return jax.nn.relu6(ConvNorm(self.options, CHANNELS, name="head")(x, train))

    def _block(self, x: Array, train: bool, **fields: Any) -> Array:
        return Block(self.options, **fields)(x, train)


class Block(base.Base):
    """Inverted residual: 1x1 expansion, depthwise convolution, 1x1 projection."""

    stage: Stage = LITE0[0]
    stride: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool
    ) -> Float[Array, "n y2 x2 d"]:
        stage, options, y = self.stage, self.options, x
        width = x.shape[-1] * stage.expansion
        if stage.expansion > 1:
            y = jax.nn.relu6(ConvNorm(options, width, name="expand")(y, train))
        depthwise = ConvNorm(
            options, width, stage.kernel, self.stride, depthwise=True, name="depthwise"
        )
        y = jax.nn.relu6(depthwise(y, train))
        y = ConvNorm(options, stage.width, name="project")(y, train)
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
        fields = {"padding": "SAME", "depthwise": self.depthwise}
        conv = self.conv("conv", self.features, self.kernel, self.stride, **fields)
        norm = self.norm("bn", self.is_first, momentum=MOMENTUM, epsilon=EPSILON)
        return norm(conv(x), train)
