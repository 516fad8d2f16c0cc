"""The layers every network is made of, each in the form that suits the platform.

XLA's CPU backend is slow at 1x1 convolutions, at patches side by side and at depthwise
convolutions, above all at their gradients. There the first two are matrix products and
the last is k * k shifted multiply-adds; every other platform gets the plain
convolution. The numbers are the same.
"""

import functools
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Float, Key

from stpn_jax.arrays import Array

Mode = Literal["frozen", "first", "trained"]
Keys = Key[Array, "b"] | None
"""Dropout keys, one per sample; without them nothing is dropped."""
CONVOLUTION = "convolution"
"""Names the outputs that are kept where the rest is recomputed."""

# TSN's initialisation of the last layer (a Gaussian, in place of the backbone's).
INITIAL_DEVIATION = 0.001
# VGG's first hidden layer is fc6: its convolutions end with block 5.
FIRST_HIDDEN = 6


# Parts of a batch that a CPU may compute at once.
ABREAST = 4

Padding = int | Literal["SAME"]
Pads = tuple[tuple[int, int], ...]


class Conv(nn.Module):
    """Two-dimensional convolution in the form that suits the platform.

    Attributes:
        features: output channels; with depthwise, also the input's.
        kernel: side of the square kernel.
        padding: zeros at each border, or SAME as TensorFlow has it.
        dtype: of the product; parameters are float32.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    padding: Padding = 0
    depthwise: bool = False
    use_bias: bool = False
    dtype: Any = jnp.float32

    def __call__(self, x: Float[Array, "n y x c"]) -> Float[Array, "n y2 x2 d"]:
        y, bias = self.apart(x)
        return y if bias is None else (y + bias).astype(self.dtype)

    @nn.compact
    def apart(
        self, x: Float[Array, "n y x c"]
    ) -> tuple[Float[Array, "n y2 x2 d"], Float[Array, " d"] | None]:
        """The product and, not added to it, the bias: a batch norm takes both."""
        inputs = 1 if self.depthwise else x.shape[-1]
        shape = (self.kernel, self.kernel, inputs, self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        y = convolve(x, kernel, self.stride, self.padding)
        y = checkpoint_name(y, CONVOLUTION)
        if not self.use_bias:
            return y, None
        zeros = nn.initializers.zeros
        return y, self.param("bias", zeros, (self.features,), jnp.float32)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, with statistics in float32.

    In training a layer uses and tracks the statistics of the batch. A frozen one uses
    its running averages, and its scale and shift get no gradient (TSN's partial batch
    norm). Running variances are unbiased.

    Attributes:
        mode: `trained`, `frozen`, or `first`: trained only where `is_first`.
        is_first: marks a network's first batch norm.
        momentum: share of the old value in a running average.
        epsilon: added to the variance.
        axis_name: mapped axis that shares statistics, or None.
        dtype: of the output.
    """

    mode: Mode = "trained"
    is_first: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-5
    axis_name: str | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*n c"],
        train: bool,
        offset: Float[Array, " c"] | None = None,
    ) -> Float[Array, "*n c"]:
        """Normalises x + offset, which for batch statistics is x normalised.

        So the bias of a convolution costs nothing as an offset, and its gradient, the
        sum over all locations, is known to be zero where the statistics are trained.
        """
        shape = (x.shape[-1],)
        zeros, ones = nn.initializers.zeros, nn.initializers.ones
        scale = self.param("scale", ones, shape, jnp.float32)
        bias = self.param("bias", zeros, shape, jnp.float32)
        running = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        spread = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        offset = jnp.zeros(shape) if offset is None else offset
        mean, variance = running.value - offset, spread.value
        is_trained = self.mode == "trained" or (self.mode == "first" and self.is_first)
        if train and is_trained:
            mean, variance, count = self._statistics(x)
            if not self.is_initializing():
                unbiased = variance * count / jnp.maximum(count - 1, 1)
                running.value = self._track(running.value, mean + offset)
                spread.value = self._track(spread.value, unbiased)
        elif train:
            scale, bias = jax.lax.stop_gradient((scale, bias))
        slope = scale * jax.lax.rsqrt(variance + self.epsilon)
        return ((x - mean) * slope + bias).astype(self.dtype)

    def _track(self, old: Array, new: jax.Array) -> jax.Array:
        new = jax.lax.stop_gradient(new)
        return self.momentum * jnp.asarray(old) + (1 - self.momentum) * new

    def _statistics(self, x: Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Mean, biased variance and sample count, shared over the replicas."""
        mean, variance = mean_and_variance(x)
        count = jnp.float32(x.size // x.shape[-1])
        if self.axis_name is None or self.is_initializing():
            return mean, variance, count
        shared = jax.lax.pmean(mean, self.axis_name)
        variance += jnp.square(mean - shared)
        variance = jax.lax.pmean(variance, self.axis_name)
        return shared, variance, jax.lax.psum(count, self.axis_name)


def mean_and_variance(
    x: Float[Array, "*n c"],
) -> tuple[Float[jax.Array, " c"], Float[jax.Array, " c"]]:
    """Mean and biased variance of each channel in float32, from one pass over x.

    What is squared are distances from a value near the mean, that of the maps' centres:
    so digits are lost neither to a large mean nor to a small variance. In bfloat16 the
    rounding of x itself adds 20 times the variance that such a loss could, and nothing
    is subtracted: a slice costs a TPU copies.
    """
    axes = tuple(range(x.ndim - 1))
    near = jnp.zeros((), jnp.float32)
    if x.dtype != jnp.bfloat16:
        middle = tuple(size // 2 for size in x.shape[1:-1])
        near = jnp.mean(x[:, *middle], axis=0)
    near = jax.lax.stop_gradient(near)
    distance = x - near
    mean = jnp.mean(distance, axes)
    variance = jnp.mean(jnp.square(distance), axes) - jnp.square(mean)
    return near + mean, jnp.maximum(variance, 0)


class Classifier(nn.Module):
    """Hidden layers (fc6, fc7, as VGG has them, or none), then a linear classifier.

    Attributes:
        classes: number of classes.
        dropout: rate before every layer but the first hidden one; keyed by sample.
        hidden: widths of the hidden layers.
    """

    classes: int
    dropout: float
    hidden: tuple[int, ...] = ()

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f c"], keys: Keys
    ) -> Float[Array, "b classes"]:
        """Logits in float32 of f vectors per sample, whose features are averaged."""
        x = x.astype(jnp.float32)
        for index, width in enumerate(self.hidden):
            if index:
                x = self._drop(x, keys, index)
            name = f"fc{FIRST_HIDDEN + index}"
            init = nn.initializers.he_normal()
            x = nn.relu(nn.Dense(width, kernel_init=init, name=name)(x))
        x = self._drop(x.mean(axis=1), keys, 0)
        init = nn.initializers.normal(INITIAL_DEVIATION)
        return nn.Dense(self.classes, kernel_init=init, name="dense")(x)

    def _drop(self, x: Array, keys: Keys, layer: int) -> Array:
        if keys is None:
            return x
        if layer:
            keys = jax.vmap(lambda key: jax.random.fold_in(key, layer))(keys)
        return dropout(x, keys, self.dropout)


def dropout(
    x: Float[Array, "b *c"], keys: Key[Array, " b"], rate: float
) -> Float[Array, "b *c"]:
    """Zeroes entries with probability `rate` and scales the others by 1 / (1 - rate).

    Each sample has its own key, so its mask depends neither on the device nor on its
    place in the batch.
    """
    if rate == 0:
        return x
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)


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
