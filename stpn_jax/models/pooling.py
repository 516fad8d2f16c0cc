"""Pooling with the sizes of Caffe's or of torch's layers."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array


def max_pool(
    x: Float[Array, "n y x c"],
    side: int,
    stride: int,
    padding: int = 0,
    round_up: bool = True,
) -> Float[Array, "n y2 x2 c"]:
    """Maximum over square windows.

    Args:
        x: feature maps.
        side: of the window.
        stride: along both axes.
        padding: at each border; never the maximum.
        round_up: the last window may reach beyond the map (Caffe); else what no whole
            window covers is left out (torch).
    """
    pads = [(padding, padding)] * 2
    if round_up:
        pads = [_pads(size, side, stride, padding) for size in x.shape[1:3]]
    return nn.max_pool(x, (side, side), (stride, stride), pads)


def adaptive_average_pool(
    x: Float[Array, "n y x c"], grid: int
) -> Float[Array, "n grid grid c"]:
    """Means over a grid of cells that cover the map, as torch has it.

    Cell i reaches from floor(i * size / grid) to ceil((i + 1) * size / grid): on a map
    of the grid's size nothing changes, on a smaller one cells repeat.
    """
    rows, columns = (_cells(size, grid) for size in x.shape[1:3])
    return jnp.einsum("iy,jx,nyxc->nijc", rows, columns, x)


def _cells(size: int, grid: int) -> np.ndarray:
    """Weights [grid size] of the positions in each cell."""
    weights = np.zeros((grid, size), np.float32)
    for i in range(grid):
        first, last = i * size // grid, -(-(i + 1) * size // grid)
        weights[i, first:last] = 1 / (last - first)
    return weights


def _pads(size: int, side: int, stride: int, padding: int) -> tuple[int, int]:
    """The padding, and at the end what a window that starts inside the map lacks."""
    windows = -(-(size + 2 * padding - side) // stride) + 1
    if (windows - 1) * stride >= size + padding:
        windows -= 1
    return padding, max((windows - 1) * stride + side - size - padding, 0)
