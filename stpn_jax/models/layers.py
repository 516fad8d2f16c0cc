"""Convolution, batch normalisation, dropout and the classifier."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Float, Key

from stpn_jax.arrays import Array
from stpn_jax.models import convolution

Mode = Literal["frozen", "first", "trained"]
Keys = Key[Array, "b"] | None
"""Dropout keys, one per sample; without them nothing is dropped."""
CONVOLUTION = "convolution"
"""Names the outputs that are kept where the rest is recomputed."""

# TSN's initialisation of the last layer (a Gaussian, in place of the backbone's).
INITIAL_DEVIATION = 0.001
# VGG's first hidden layer is fc6: its convolutions end with block 5.
FIRST_HIDDEN = 6


class Conv(nn.Module):
    """Two-dimensional convolution in the form that suits the platform (convolution.py).

    Attributes:
        features: output channels; with depthwise, also the input's.
        kernel: side of the square kernel.
        padding: zeros at each border, or SAME as TensorFlow has it.
        dtype: of the product; parameters are float32.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    padding: convolution.Padding = 0
    depthwise: bool = False
    use_bias: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "n y x c"]) -> Float[Array, "n y2 x2 d"]:
        inputs = 1 if self.depthwise else x.shape[-1]
        shape = (self.kernel, self.kernel, inputs, self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape, jnp.float32)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        y = convolution.convolve(x, kernel, self.stride, self.padding)
        y = checkpoint_name(y, CONVOLUTION)
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return y + bias.astype(self.dtype)


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
    def __call__(self, x: Float[Array, "*n c"], train: bool) -> Float[Array, "*n c"]:
        shape = (x.shape[-1],)
        zeros, ones = nn.initializers.zeros, nn.initializers.ones
        scale = self.param("scale", ones, shape, jnp.float32)
        bias = self.param("bias", zeros, shape, jnp.float32)
        running = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        spread = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        mean, variance = running.value, spread.value
        is_trained = self.mode == "trained" or (self.mode == "first" and self.is_first)
        if train and is_trained:
            mean, variance, count = self._statistics(x)
            if not self.is_initializing():
                unbiased = variance * count / jnp.maximum(count - 1, 1)
                running.value = self._track(running.value, mean)
                spread.value = self._track(spread.value, unbiased)
        elif train:
            scale, bias = jax.lax.stop_gradient((scale, bias))
        slope = scale * jax.lax.rsqrt(variance + self.epsilon)
        return (x * slope + (bias - mean * slope)).astype(self.dtype)

    def _track(self, old: Array, new: jax.Array) -> jax.Array:
        new = jax.lax.stop_gradient(new)
        return self.momentum * jnp.asarray(old) + (1 - self.momentum) * new

    def _statistics(self, x: Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Mean, biased variance and sample count, shared over the replicas."""
        axes = tuple(range(x.ndim - 1))
        x = jnp.asarray(x, jnp.float32)
        count = jnp.float32(x.size // x.shape[-1])
        if self.axis_name is None or self.is_initializing():
            mean = jnp.mean(x, axes)
            return mean, jnp.mean(jnp.square(x - mean), axes), count
        mean = jax.lax.pmean(jnp.mean(x, axes), self.axis_name)
        variance = jax.lax.pmean(jnp.mean(jnp.square(x - mean), axes), self.axis_name)
        return mean, variance, jax.lax.psum(count, self.axis_name)


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
