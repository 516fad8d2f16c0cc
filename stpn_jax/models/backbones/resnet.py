"""ResNet with bottleneck blocks (He et al. 2016), up to res5c.

Two networks go by this name, and weights of one are wrong in the other. The authors'
Caffe model downsamples in a stage's first 1x1 convolution and pools without padding,
rounding up; torchvision's downsamples in the 3x3 convolution.
"""

import jax
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models import pooling
from stpn_jax.models.backbones import base

CHANNELS = 2048
BLOCKS = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4


class ResNet(base.Base):
    """Stem and four stages: 2048 channels at 1/32 of the side.

    Attributes:
        depth: a key of BLOCKS.
        caffe: strides and pooling of the authors' Caffe model, else torchvision's.
        stem_bias: the first convolution has a bias, as in the Caffe ResNet-50.
    """

    depth: int = 50
    caffe: bool = False
    stem_bias: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 2048"]:
        x, bias = self.conv("conv1", 64, 7, 2, use_bias=self.stem_bias).apart(x)
        x = jax.nn.relu(self.norm("bn1", is_first=True)(x, train, bias))
        if self.caffe:
            x = pooling.max_pool(x, 3, 2)
        else:
            x = pooling.max_pool(x, 3, 2, padding=1, round_up=False)
        for stage, count in enumerate(BLOCKS[self.depth]):
            for index in range(count):
                stride = 2 if stage and not index else 1
                fields = {"width": WIDTHS[stage], "stride": stride}
                name = f"layer{stage + 1}_{index}"
                x = self.block(ResNet._block, x, name=name, train=train, **fields)
        return x

    def _block(
        self, x: Array, width: int, stride: int, name: str, train: bool
    ) -> Array:
        """1x1, 3x3, 1x1, and the input added, projected where its shape differs."""
        first, second = (stride, 1) if self.caffe else (1, stride)
        y = self.conv(f"{name}_conv1", width, 1, first)(x)
        y = jax.nn.relu(self.norm(f"{name}_bn1")(y, train))
        y = self.conv(f"{name}_conv2", width, 3, second)(y)
        y = jax.nn.relu(self.norm(f"{name}_bn2")(y, train))
        y = self.conv(f"{name}_conv3", EXPANSION * width, 1, 1)(y)
        y = self.norm(f"{name}_bn3")(y, train)
        if x.shape != y.shape:
            x = self.conv(f"{name}_downsample_conv", EXPANSION * width, 1, stride)(x)
            x = self.norm(f"{name}_downsample_bn")(x, train)
        return jax.nn.relu(x + y)
