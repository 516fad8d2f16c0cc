"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

Source: tensorflow/tpu, models/official/efficientnet/lite (2020).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models import layers

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


class EfficientNetLite0(nn.Module):
    """The network up to its last map: 1280 channels at 1/32 of the side.

    Stochastic depth, which the ImageNet training used, is left out.

    Attributes:
        batch_norm: frozen, first or trained.
        axis_name: mapped axis that shares batch statistics, or None.
        dtype: of activations.
    """

    batch_norm: layers.Mode = "trained"
    axis_name: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 1280"]:
        fields = {
            "batch_norm": self.batch_norm,
            "axis_name": self.axis_name,
            "dtype": self.dtype,
        }
        stem = ConvNorm(STEM, 3, 2, is_first=True, name="stem", **fields)
        x = jax.nn.relu6(stem(x, train))
        index = 0
        for stage in LITE0:
            for repeat in range(stage.blocks):
                stride = stage.stride if repeat == 0 else 1
                block = Block(stage, stride, name=f"block{index}", **fields)
                x = block(x, train)
                index += 1
        return jax.nn.relu6(ConvNorm(CHANNELS, name="head", **fields)(x, train))


class Block(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, 1x1 projection."""

    stage: Stage
    stride: int
    batch_norm: layers.Mode
    axis_name: str | None
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool
    ) -> Float[Array, "n y2 x2 d"]:
        fields = {
            "batch_norm": self.batch_norm,
            "axis_name": self.axis_name,
            "dtype": self.dtype,
        }
        width = x.shape[-1] * self.stage.expansion
        y = x
        if self.stage.expansion > 1:
            y = jax.nn.relu6(ConvNorm(width, name="expand", **fields)(y, train))
        depthwise = ConvNorm(
            width,
            self.stage.kernel,
            self.stride,
            depthwise=True,
            name="depthwise",
            **fields,
        )
        y = jax.nn.relu6(depthwise(y, train))
        y = ConvNorm(self.stage.width, name="project", **fields)(y, train)
        return x + y if x.shape == y.shape else y


class ConvNorm(nn.Module):
    """A convolution with SAME padding, then batch norm."""

    features: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False
    is_first: bool = False
    batch_norm: layers.Mode = "trained"
    axis_name: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool
    ) -> Float[Array, "n y2 x2 d"]:
        x = layers.Conv(
            self.features,
            self.kernel,
            self.stride,
            padding="SAME",
            depthwise=self.depthwise,
            dtype=self.dtype,
            name="conv",
        )(x)
        return layers.BatchNorm(
            mode=self.batch_norm,
            is_first=self.is_first,
            momentum=MOMENTUM,
            epsilon=EPSILON,
            axis_name=self.axis_name,
            dtype=self.dtype,
            name="bn",
        )(x, train)
