"""What backbones share: how they compute, and layers that follow it."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from stpn_jax.arrays import Array
from stpn_jax.models import layers

Remat = Literal["none", "norms", "blocks"]
# What is kept of a block for the backward pass, besides its input.
KEPT = {
    "norms": jax.checkpoint_policies.save_only_these_names(layers.CONVOLUTION),
    "blocks": jax.checkpoint_policies.nothing_saveable,
}


@dataclasses.dataclass(frozen=True)
class BackboneOptions:
    """How a backbone computes, whatever its architecture.

    Attributes:
        batch_norm: frozen, first or trained; not used where there is none.
        axis_name: mapped axis that shares batch statistics, or None.
        dtype: of activations; parameters and statistics are float32.
        remat: what the backward pass computes again instead of keeping it: none, norms
            (all but convolutions) or blocks.
    """

    batch_norm: layers.Mode = "trained"
    axis_name: str | None = None
    dtype: Any = jnp.float32
    remat: Remat = "none"


class Base(nn.Module):
    """A backbone, or a part of one, with layers that follow its options."""

    options: BackboneOptions = BackboneOptions()

    def block(self, body: Callable[..., Array], x: Array, **arguments: Any) -> Array:
        """One block of the network, the unit of recomputation.

        Args:
            body: a method of this class, called with x and the arguments.
            x: the block's input.
            arguments: static ones.
        """
        body = functools.partial(body, **arguments)
        if self.options.remat != "none":
            body = nn.remat(body, policy=KEPT[self.options.remat])
        return body(self, x)

    def conv(
        self, name: str, width: int, kernel: int = 1, stride: int = 1, **fields: Any
    ) -> layers.Conv:
        """A convolution, by default padded to keep the map's size."""
        fields = {"padding": kernel // 2, "dtype": self.options.dtype} | fields
        return layers.Conv(width, kernel, stride, name=name, **fields)

    def norm(
        self, name: str, is_first: bool = False, **fields: Any
    ) -> layers.BatchNorm:
        """A batch norm; `is_first` marks the network's first one."""
        options = self.options
        return layers.BatchNorm(
            mode=options.batch_norm,
            is_first=is_first,
            axis_name=options.axis_name,
            dtype=options.dtype,
            name=name,
            **fields,
        )
