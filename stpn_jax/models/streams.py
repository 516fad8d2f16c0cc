"""A stream: one backbone with shared weights over all images or paths of a snippet."""

from collections.abc import Callable
from typing import Any

from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array


class Stream(nn.Module):
    """Applies one backbone to every frame (spatial) or every path (temporal).

    Attributes:
        backbone: class of the backbone, from BACKBONES.
        batch_norm: frozen, first or trained.
        axis_name: mapped axis over which batch statistics are shared, or None.
        dtype: of the activations.
        remat: what the backward pass computes again.
    """

    backbone: Callable[..., nn.Module]
    batch_norm: str
    axis_name: str | None
    dtype: Any
    remat: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n h w c"], train: bool
    ) -> Float[Array, "b n y x d"]:
        """Last maps of the backbone, one for each of the n images or paths."""
        module = self.backbone(
            batch_norm=self.batch_norm,
            axis_name=self.axis_name,
            dtype=self.dtype,
            remat=self.remat,
            name="backbone",
        )
        maps = module(x.reshape(-1, *x.shape[2:]), train)
        return maps.reshape(*x.shape[:2], *maps.shape[1:])
