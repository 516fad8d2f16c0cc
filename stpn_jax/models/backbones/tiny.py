"""A small residual network that trains from scratch on a CPU in minutes."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.models import layers

STEM = 16
PATCH = 2
STAGES = ((32, 2), (64, 2))
CHANNELS = 64


class Tiny(nn.Module):
    """A stem of 2x2 patches and two residual blocks; the map has an eighth of the side.

    Patches side by side are a matrix product, which a CPU differentiates much faster
    than a convolution of 20 channels at full size.

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
    ) -> Float[Array, "n y2 x2 64"]:
        x = layers.Conv(STEM, PATCH, PATCH, dtype=self.dtype, name="conv1")(x)
        x = jax.nn.relu(self._norm("bn1", is_first=True)(x, train))
        for index, (width, stride) in enumerate(STAGES, 1):
            x = self._block(x, width, stride, f"block{index}", train)
        return x

    def _block(
        self, x: Array, width: int, stride: int, name: str, train: bool
    ) -> Array:
        y = self._conv(width, 3, stride, f"{name}_conv1")(x)
        y = jax.nn.relu(self._norm(f"{name}_bn1")(y, train))
        y = self._conv(width, 3, 1, f"{name}_conv2")(y)
        y = self._norm(f"{name}_bn2")(y, train)
        if x.shape != y.shape:
            x = self._conv(width, 1, stride, f"{name}_shortcut")(x)
            x = self._norm(f"{name}_shortcut_bn")(x, train)
        return jax.nn.relu(x + y)

    def _conv(self, width: int, kernel: int, stride: int, name: str) -> layers.Conv:
        return layers.Conv(
            width, kernel, stride, padding=kernel // 2, dtype=self.dtype, name=name
        )

    def _norm(self, name: str, is_first: bool = False) -> layers.BatchNorm:
        return layers.BatchNorm(
            mode=self.batch_norm,
            is_first=is_first,
            axis_name=self.axis_name,
            dtype=self.dtype,
            name=name,
        )
