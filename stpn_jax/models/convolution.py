"""Convolution in the form that suits the platform a program is lowered for.

XLA's CPU backend is slow at 1x1 convolutions, at those of adjacent patches and at
depthwise ones, above all at their gradients. There the first two are matrix products
and the last is k * k shifted multiply-adds; all other platforms use XLA's convolution.
The numbers are the same.
"""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from stpn_jax.arrays import Array

# Parts of a batch that a CPU may compute at once.
ABREAST = 4

Padding = int | Literal["SAME"]
Pads = tuple[tuple[int, int], ...]


def convolve(
    x: Float[Array, "n y x c"],
    kernel: Float[Array, "k k i d"],
    stride: int = 1,
    padding: Padding = 0,
) -> Float[Array, "n y2 x2 d"]:
    """Correlates x with a square kernel, in the dtype of x.

    Args:
        x: images or feature maps.
        kernel: i is c, or 1 for a depthwise convolution, where d is c.
        stride: along both axes.
        padding: zeros at each border, or SAME as TensorFlow has it.
    """
    side, inputs = kernel.shape[0], kernel.shape[2]
    pads = tuple(_pads(size, side, stride, padding) for size in x.shape[1:3])
    if inputs == 1 and x.shape[-1] > 1:
        return _depthwise(x, kernel, stride, pads)
    plain = functools.partial(_plain, stride=stride, pads=pads)
    if side in (1, stride) and not any(map(any, pads)):
        product = functools.partial(_product, stride=stride)
        return jax.lax.platform_dependent(x, kernel, cpu=product, default=plain)
    return plain(x, kernel)


def _pads(size: int, side: int, stride: int, padding: Padding) -> tuple[int, int]:
    if padding != "SAME":
        return padding, padding
    total = max((-(-size // stride) - 1) * stride + side - size, 0)
    return total // 2, total - total // 2


def _plain(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    return jax.lax.conv_general_dilated(
        jnp.asarray(x),
        jnp.asarray(kernel),
        (stride, stride),
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1] // kernel.shape[2],
    )


def _product(x: Array, kernel: Array, stride: int) -> Array:
    """A 1x1 convolution, or one of adjacent patches, as matrix products."""
    side = kernel.shape[0]
    if side == 1:
        return jnp.dot(x[:, ::stride, ::stride], kernel[0, 0])
    rows, columns = x.shape[1] // side, x.shape[2] // side
    x = x[:, : rows * side, : columns * side]
    x = x.reshape(x.shape[0], rows, side, columns, side * x.shape[-1])
    kernel = kernel.reshape(side, -1, kernel.shape[-1])
    products = [jnp.dot(x[:, :, i], kernel[i]) for i in range(side)]
    return functools.reduce(jnp.add, products)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    shifted = functools.partial(_shifted, stride=stride, pads=pads)
    plain = functools.partial(_plain, stride=stride, pads=pads)
    return jax.lax.platform_dependent(x, kernel, cpu=shifted, default=plain)


def _depthwise_forward(x: Array, kernel: Array, stride: int, pads: Pads) -> Any:
    return _depthwise(x, kernel, stride, pads), (x, kernel)


def _depthwise_backward(stride: int, pads: Pads, saved: Any, slope: Array) -> Any:
    def shifted(x: Array, kernel: Array, slope: Array) -> tuple[Array, Array]:
        return (
            _shifted_input_gradient(x, kernel, slope, stride, pads),
            _shifted_kernel_gradient(x, kernel, slope, stride, pads),
        )

    def plain(x: Array, kernel: Array, slope: Array) -> Any:
        form = functools.partial(_plain, stride=stride, pads=pads)
        return jax.vjp(form, x, kernel)[1](slope)

    return jax.lax.platform_dependent(*saved, slope, cpu=shifted, default=plain)


_depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _shifted(x: Array, kernel: Array, stride: int, pads: Pads) -> Array:
    # Without the barriers XLA fuses in what stands around and computes it at every tap.
    x = jax.lax.optimization_barrier(jnp.pad(x, ((0, 0), *pads, (0, 0))))
    side = kernel.shape[0]
    windows = _windows(x, side, stride)
    taps = kernel.reshape(side * side, -1)
    products = (window * tap for window, tap in zip(windows, taps, strict=True))
    return jax.lax.optimization_barrier(functools.reduce(jnp.add, products))


def _windows(x: Array, side: int, stride: int) -> list[Array]:
    """The k * k slices of `[..., y, x, c]` that a kernel's taps are multiplied by."""
    rows, columns = ((size - side) // stride * stride + 1 for size in x.shape[-3:-1])
    return [
        x[..., i : i + rows : stride, j : j + columns : stride, :]
        for i in range(side)
        for j in range(side)
    ]


def _shifted_input_gradient(
    x: Array, kernel: Array, slope: Array, stride: int, pads: Pads
) -> Array:
    """The slope, dilated by the stride, correlated with the reversed kernel."""
    side = kernel.shape[0]
    dilation = [(0, 0, 0)] * 4
    for axis, (before, _) in enumerate(pads, 1):
        low = side - 1 - before
        high = x.shape[axis] + side - 1 - low - ((slope.shape[axis] - 1) * stride + 1)
        dilation[axis] = low, high, stride - 1
    slope = jax.lax.pad(slope, jnp.zeros((), slope.dtype), dilation)
    return _shifted(slope, kernel[::-1, ::-1], 1, ((0, 0), (0, 0)))


def _shifted_kernel_gradient(
    x: Array, kernel: Array, slope: Array, stride: int, pads: Pads
) -> Array:
    """One reduction to all k * k sums, so that the arrays are read once.

    XLA runs a reduction on one core, so the images are divided among several.
    """
    side = kernel.shape[0]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))

    def of_images(x: Array, slope: Array) -> Array:
        products = [window * slope for window in _windows(x, side, stride)]
        zeros = [np.zeros((), x.dtype)] * len(products)
        add = functools.partial(jax.tree.map, jnp.add)
        return jnp.stack(jax.lax.reduce(products, zeros, add, (0, 1, 2)))

    share = -(-len(x) // ABREAST)
    cuts = [slice(i, i + share) for i in range(0, len(x), share)]
    sums = [of_images(x[cut], slope[cut]) for cut in cuts]
    return functools.reduce(jnp.add, sums).reshape(kernel.shape)
