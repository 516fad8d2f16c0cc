"""BN-Inception (Ioffe and Szegedy 2015, Inception v2) as TSN's Caffe model has it.

Convolutions carry biases, poolings round their size up, and layers are named as in the
public weight files: conv1_7x7_s2, inception_3a_double_3x3_1, ..., each with its _bn.
Source: yjxiong/temporal-segment-networks, models/*/tsn_bn_inception_*.prototxt.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models import pooling
from stpn_jax.models.backbones import base

CHANNELS = 1024


class Mixed(NamedTuple):
    """An inception block: the widths of its branches.

    A block that reduces (stride 2) has no 1x1 branch, and its pooling is passed on
    without projection: `single` and `projection` are 0.
    """

    name: str
    single: int
    reduce: int
    triple: int
    double_reduce: int
    double: int
    pool: Literal["average", "max"]
    projection: int


BLOCKS = (
    Mixed("3a", 64, 64, 64, 64, 96, "average", 32),
    Mixed("3b", 64, 64, 96, 64, 96, "average", 64),
    Mixed("3c", 0, 128, 160, 64, 96, "max", 0),
    Mixed("4a", 224, 64, 96, 96, 128, "average", 128),
    Mixed("4b", 192, 96, 128, 96, 128, "average", 128),
    Mixed("4c", 160, 128, 160, 128, 160, "average", 128),
    Mixed("4d", 96, 128, 192, 160, 192, "average", 128),
    Mixed("4e", 0, 128, 192, 192, 256, "max", 0),
    Mixed("5a", 352, 192, 320, 160, 224, "average", 128),
    Mixed("5b", 352, 192, 320, 192, 224, "max", 128),
)


class BNInception(base.Base):
    """The network up to inception_5b: 1024 channels at 1/32 of the side."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 1024"]:
        x = self._unit(x, train, "conv1_7x7_s2", 64, 7, 2)
        x = pooling.max_pool(x, 3, 2)
        x = self._unit(x, train, "conv2_3x3_reduce", 64)
        x = self._unit(x, train, "conv2_3x3", 192, 3)
        x = pooling.max_pool(x, 3, 2)
        for block in BLOCKS:
            x = self.block(BNInception._mixed, x, train=train, block=block)
        return x

    def _mixed(self, x: Array, train: bool, block: Mixed) -> Array:
        """The branches side by side: 1x1, 3x3, double 3x3, pooling."""
        prefix = f"inception_{block.name}"
        stride = 1 if block.single else 2
        branches = []
        if block.single:
            branches.append(self._unit(x, train, f"{prefix}_1x1", block.single))
        y = self._unit(x, train, f"{prefix}_3x3_reduce", block.reduce)
        branches.append(self._unit(y, train, f"{prefix}_3x3", block.triple, 3, stride))
        double = f"{prefix}_double_3x3"
        y = self._unit(x, train, f"{double}_reduce", block.double_reduce)
        y = self._unit(y, train, f"{double}_1", block.double, 3)
        branches.append(self._unit(y, train, f"{double}_2", block.double, 3, stride))
        y = _pool(x, block.pool, stride)
        if block.projection:
            y = self._unit(y, train, f"{prefix}_pool_proj", block.projection)
        return jnp.concatenate([*branches, y], axis=-1)

    def _unit(self, x: Array, train: bool, name: str, *shape: int) -> Array:
        """Convolution with bias, batch norm, ReLU; shape is width, kernel, stride."""
        conv = self.conv(name, *shape, use_bias=True)
        norm = self.norm(f"{name}_bn", is_first=name == "conv1_7x7_s2")
        y, bias = conv.apart(x)
        return jax.nn.relu(norm(y, train, bias))


def _pool(x: Array, kind: str, stride: int) -> Array:
    """A block's 3x3 pooling: unpadded where it reduces, else of the same size.

    Averages count the zeros of the padding.
    """
    if stride == 2:
        return pooling.max_pool(x, 3, 2)
    if kind == "max":
        return pooling.max_pool(x, 3, 1, padding=1)
    return nn.avg_pool(x, (3, 3), padding=((1, 1), (1, 1)))
