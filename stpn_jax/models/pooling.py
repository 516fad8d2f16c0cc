"""Pooling with the sizes of Caffe's or of torch's layers."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float, UInt8

from stpn_jax.arrays import Array

Pads = tuple[tuple[int, int], tuple[int, int]]


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
    return _max_pool(x, side, stride, (tuple(pads[0]), tuple(pads[1])))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(x: Array, side: int, stride: int, pads: Pads) -> jax.Array:
    return nn.max_pool(x, (side, side), (stride, stride), pads)


def _max_pool_forward(x: Array, side: int, stride: int, pads: Pads) -> Any:
    y = _max_pool(x, side, stride, pads)
    return y, (x, y)


def _max_pool_backward(
    side: int, stride: int, pads: Pads, saved: Any, slope: Array
) -> tuple[Array]:
    """Sends each window's slope to the first of its largest entries.

    XLA's own form, select-and-scatter, is made for TPUs and slow elsewhere.
    """

    def plain(x: Array, y: Array, slope: Array) -> Array:
        form = lambda x: nn.max_pool(x, (side, side), (stride, stride), pads)  # noqa: E731
        return jax.vjp(form, x)[1](slope)[0]

    shifted = functools.partial(_to_largest, side=side, stride=stride, pads=pads)
    return (
        jax.lax.platform_dependent(
            *saved, slope, cpu=shifted, cuda=shifted, rocm=shifted, default=plain
        ),
    )


_max_pool.defvjp(_max_pool_forward, _max_pool_backward)


def _to_largest(
    x: Array, y: Array, slope: Array, side: int, stride: int, pads: Pads
) -> Array:
    taps = [(i, j) for i in range(side) for j in range(side)]
    first = _first_largest(x, y, taps, stride, pads)
    # Else XLA would find them again for each of the taps.
    first = jax.lax.optimization_barrier(first)
    total = jnp.zeros(x.shape, jnp.float32)
    zero = jnp.zeros((), slope.dtype)
    for number, tap in enumerate(taps):
        sent = jnp.where(first == number, slope, zero)
        dilation = [(0, 0, 0)] * 4
        for axis in (1, 2):
            low = tap[axis - 1] - pads[axis - 1][0]
            reach = (slope.shape[axis] - 1) * stride + 1
            dilation[axis] = low, x.shape[axis] - low - reach, stride - 1
        total += jax.lax.pad(sent, zero, dilation).astype(jnp.float32)
    return total.astype(x.dtype)


def _first_largest(
    x: Array, y: Array, taps: Sequence[tuple[int, int]], stride: int, pads: Pads
) -> UInt8[jax.Array, "n y2 x2 c"]:
    """For each window the number of the first tap that holds its maximum y."""
    lowest = jnp.array(-jnp.inf, x.dtype)
    padded = jax.lax.pad(x, lowest, [(0, 0, 0), *((*p, 0) for p in pads), (0, 0, 0)])
    rows, columns = ((size - 1) * stride + 1 for size in y.shape[1:3])
    first = jnp.full(y.shape, len(taps), jnp.uint8)
    for number, (i, j) in reversed(list(enumerate(taps))):
        tap = padded[:, i : i + rows : stride, j : j + columns : stride]
        first = jnp.where(tap == y, jnp.uint8(number), first)
    return first


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
