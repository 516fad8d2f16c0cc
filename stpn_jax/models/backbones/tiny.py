"""A small residual network that trains from scratch on a CPU in minutes."""

import jax
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models.backbones import base

STEM = 16
PATCH = 2
STAGES = ((32, 2), (64, 2))
CHANNELS = 64


class Tiny(base.Base):
    """A stem of 2x2 patches and two residual blocks; the map has an eighth of the side.

    Patches side by side are a matrix product, which a CPU differentiates much faster
    than a convolution of 20 channels at full size.
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, "n y x c"], train: bool = False
    ) -> Float[Array, "n y2 x2 64"]:
        x = self.conv("conv1", STEM, PATCH, PATCH, padding=0)(x)
        x = jax.nn.relu(self.norm("bn1", is_first=True)(x, train))
        for index, (width, stride) in enumerate(STAGES, 1):
            fields = {"width": width, "stride": stride, "name": f"block{index}"}
            x = self.block(Tiny._block, x, train=train, **fields)
        return x

    def _block(
        self, x: Array, width: int, stride: int, name: str, train: bool
    ) -> Array:
        y = self.conv(f"{name}_conv1", width, 3, stride)(x)
        y = jax.nn.relu(self.norm(f"{name}_bn1")(y, train))
        y = self.conv(f"{name}_conv2", width, 3, 1)(y)
        y = self.norm(f"{name}_bn2")(y, train)
        if x.shape != y.shape:
            x = self.conv(f"{name}_shortcut", width, 1, stride)(x)
            x = self.norm(f"{name}_shortcut_bn")(x, train)
        return jax.nn.relu(x + y)
