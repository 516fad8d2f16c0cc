"""VGG-16 (Simonyan and Zisserman 2015) up to pool5; fc6 and fc7 are Classifier's."""

import jax
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models import pooling
from stpn_jax.models.backbones import base

CHANNELS = 512
WIDTHS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
# fc6 and fc7, and the side of the map of a 224x224 image that fc6 sees.
HIDDEN = (4096, 4096)
GRID = 7


class VGG16(base.Base):
    """Thirteen 3x3 convolutions and five poolings: 512 channels at 1/32 of the side.

    Layers are named as in the authors' Caffe model: conv1_1, ..., conv5_3.

    Attributes:
        caffe: poolings round their size up, as Caffe's do, else down, as torch's.
    """

    caffe: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 512"]:
        for number in range(1, len(WIDTHS) + 1):
            x = self.block(VGG16._block, x, number=number)
        return x

    def _block(self, x: Array, number: int) -> Array:
        """Convolutions of one width, then a pooling."""
        for index, width in enumerate(WIDTHS[number - 1], 1):
            conv = self.conv(f"conv{number}_{index}", width, 3, use_bias=True)
            x = jax.nn.relu(conv(x))
        return pooling.max_pool(x, 2, 2, round_up=self.caffe)
