"""The layers every network is made of."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Float, Key

from stpn_jax.arrays import Array
from stpn_jax.models import convolution

Mode = Literal["frozen", "first", "trained"]
CONVOLUTION = "convolution"
"""Names the outputs that a step with recomputation keeps."""


class Conv(nn.Module):
    """Two-dimensional convolution with a kernel `[k, k, c_in / groups, features]`.

    It runs in the form that suits the platform: see convolution.py.

    Attributes:
        features: output channels.
        kernel: side of the square kernel.
        stride: step along rows and columns.
        padding: zeros at each border, or SAME as TensorFlow has it.
        depthwise: one filter per channel; features must equal the input's channels.
        use_bias: whether a bias is added.
        dtype: of the product; parameters are float32.
        kernel_init: initialiser of the kernel (He et al. 2015).
    """

    features: int
    kernel: int = 1
    stride: int = 1
    padding: convolution.Padding = 0
    depthwise: bool = False
    use_bias: bool = False
    dtype: Any = jnp.float32
    kernel_init: Callable[..., Any] = nn.initializers.he_normal()

    @nn.compact
    def __call__(self, x: Float[Array, "n y x c"]) -> Float[Array, "n y2 x2 d"]:
        inputs = 1 if self.depthwise else x.shape[-1]
        shape = (self.kernel, self.kernel, inputs, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        x = x.astype(self.dtype)
        kernel = kernel.astype(self.dtype)
        y = convolution.convolve(x, kernel, self.stride, self.padding)
        y = checkpoint_name(y, CONVOLUTION)
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        return y + bias.astype(self.dtype)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, with statistics in float32.

    In training a layer either uses and tracks the statistics of the batch, or, being
    frozen, its running averages; a frozen layer's scale and shift get no gradient
    (TSN's partial batch norm). Running variances are the unbiased ones.

    Attributes:
        mode: `trained`, `frozen`, or `first`: trained only where `is_first`.
        is_first: marks a network's first batch norm.
        momentum: share of the old value in a running average.
        epsilon: added to the variance.
        axis_name: mapped axis over whose replicas statistics are shared, or None.
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
        if train and (self.mode == "trained" or self._is_partial()):
            mean, variance, count = self._statistics(x)
            if not self.is_initializing():
                unbiased = variance * count / jnp.maximum(count - 1, 1)
                running.value = self._track(running.value, mean)
                spread.value = self._track(spread.value, unbiased)
        elif train:
            scale, bias = jax.lax.stop_gradient((scale, bias))
        slope = scale * jax.lax.rsqrt(variance + self.epsilon)
        return (x * slope + (bias - mean * slope)).astype(self.dtype)

    def _is_partial(self) -> bool:
        return self.mode == "first" and self.is_first

    def _track(self, old: Array, new: jax.Array) -> jax.Array:
        new = jax.lax.stop_gradient(new)
        return self.momentum * jnp.asarray(old) + (1 - self.momentum) * new

    def _statistics(self, x: Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Mean, biased variance and sample count, over replicas where asked."""
        axes = tuple(range(x.ndim - 1))
        x = jnp.asarray(x, jnp.float32)
        count = jnp.float32(x.size // x.shape[-1])
        mean = self._over_replicas(jnp.mean(x, axes))
        variance = self._over_replicas(jnp.mean(jnp.square(x - mean), axes))
        if self.axis_name is not None and not self.is_initializing():
            count = jax.lax.psum(count, self.axis_name)
        return mean, variance, count

    def _over_replicas(self, x: jax.Array) -> jax.Array:
        if self.axis_name is None or self.is_initializing():
            return x
        return jax.lax.pmean(x, self.axis_name)


Dense = nn.Dense


def dropout(
    x: Float[Array, "b *c"], keys: Key[Array, " b"], rate: float
) -> Float[Array, "b *c"]:
    """Zeroes entries with probability `rate` and scales the others by 1 / (1 - rate).

    Each row draws from its own key, so a sample's mask does not depend on which
    device or which place in the batch it falls.

    Args:
        x: the features of each sample.
        keys: one key a sample.
        rate: in [0, 1); 0 returns x.
    """
    if rate == 0:
        return x
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 1 - rate, x.shape[1:]))(keys)
    return jnp.where(keep, x / (1 - rate), 0)
