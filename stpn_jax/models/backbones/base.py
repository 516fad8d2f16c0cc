"""What every backbone has: how it normalises, and in what precision it computes."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from stpn_jax.arrays import Array
from stpn_jax.models import layers

Remat = Literal["none", "norms", "blocks"]
# What the backward pass finds kept of a block, besides its input.
KEPT = {
    "norms": jax.checkpoint_policies.save_only_these_names(layers.CONVOLUTION),
    "blocks": jax.checkpoint_policies.nothing_saveable,
}


class Base(nn.Module):
    """Fields that a stream sets, and layers that follow them.

    Attributes:
        batch_norm: frozen, first or trained; not used where there is none.
        axis_name: mapped axis that shares batch statistics, or None.
        dtype: of activations.
        remat: what is computed again in the backward pass instead of kept: none, norms
            (all but convolutions) or blocks.
    """

    batch_norm: layers.Mode = "trained"
    axis_name: str | None = None
    dtype: Any = jnp.float32
    remat: Remat = "none"

    def block(self, body: Callable[[Any, Array], Array], x: Array) -> Array:
        """One block of the network, the unit of recomputation.

        Args:
            body: called with this module and x.
            x: the map that goes in.
        """
        if self.remat == "none":
            return body(self, x)
        return nn.remat(body, policy=KEPT[self.remat])(self, x)

    def fields(self) -> dict[str, Any]:
        """How a module that is a part of this one computes."""
        return {
            "batch_norm": self.batch_norm,
            "axis_name": self.axis_name,
            "dtype": self.dtype,
        }

    def conv(
        self, name: str, width: int, kernel: int = 1, stride: int = 1, **more: Any
    ) -> layers.Conv:
        """A convolution; unless told otherwise, padded to keep a map's size."""
        more = {"padding": kernel // 2, "dtype": self.dtype, "name": name} | more
        return layers.Conv(width, kernel, stride, **more)

    def norm(self, name: str, is_first: bool = False, **more: Any) -> layers.BatchNorm:
        """A batch norm; `is_first` marks the network's first one."""
        return layers.BatchNorm(
            mode=self.batch_norm,
            is_first=is_first,
            axis_name=self.axis_name,
            dtype=self.dtype,
            name=name,
            **more,
        )
