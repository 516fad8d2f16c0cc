"""Count sketch: a fixed projection of one signed entry per input (section 3.1)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int8, Int32

from stpn_jax.arrays import Array


class Sketch(NamedTuple):
    """The two vectors of Algorithm 1 for one pathway.

    Attributes:
        h: destination of each input, counted from 0.
        s: its sign, -1 or 1.
    """

    h: Int32[Array, "c"]
    s: Int8[Array, "c"]


def sample(seed: tuple[int, ...], channels: int, width: int) -> Sketch:
    """Samples h and s uniformly (Algorithm 1, lines 3 to 5).

    Args:
        seed: entropy; distinct for every pathway and layer, or the sketches of a
            product are correlated and its inner products biased.
        channels: length of the vectors to be sketched.
        width: d, length of the sketch.
    """
    rng = np.random.default_rng(seed)
    h = rng.integers(width, size=channels, dtype=np.int32)
    s = rng.integers(2, size=channels, dtype=np.int8) * np.int8(2) - np.int8(1)
    return Sketch(h, s)


def scatter_matrix(sketch: Sketch, width: int) -> Float[Array, "c d"]:
    """The projection as a matrix: row j holds s(j) in column h(j)."""
    columns = jnp.arange(width, dtype=jnp.int32)
    matrix = jnp.where(sketch.h[:, None] == columns, sketch.s[:, None], 0)
    return matrix.astype(jnp.float32)


def project(
    x: Float[Array, "*n c"], sketch: Sketch, width: int
) -> Float[Array, "*n d"]:
    """Count sketch of the last axis (Algorithm 1, lines 7 to 11), in float32.

    A CPU sums inputs where an accelerator multiplies by the scatter matrix: the same
    sums, each in the form that is faster on its platform. Inputs in bfloat16 are
    summed in float32 too, and take a third of the products.
    """
    flat = x.reshape(-1, x.shape[-1])
    sketched = jax.lax.platform_dependent(
        flat,
        sketch,
        cpu=functools.partial(_by_segment_sum, width=width),
        default=functools.partial(_by_matmul, width=width),
    )
    return sketched.reshape(*x.shape[:-1], width)


def project_back(y: Float[Array, "*n d"], sketch: Sketch) -> Float[Array, "*n c"]:
    """The transposed projection: each input's entry of the sketch, with its sign."""
    signs = jnp.asarray(sketch.s, jnp.float32)
    return jnp.take(y, sketch.h, axis=-1, mode="clip") * signs


def _by_segment_sum(x: Array, sketch: Sketch, width: int) -> Array:
    signed = x.T * sketch.s[:, None].astype(jnp.float32)
    return jax.ops.segment_sum(signed, sketch.h, num_segments=width).T


def _by_matmul(x: Array, sketch: Sketch, width: int) -> Array:
    """Products in bfloat16, which holds the matrix, of parts that add up to x.

    A sketch only moves features: they keep all their digits.
    """
    parts = _parts(x)
    matrix = scatter_matrix(sketch, width).astype(jnp.bfloat16)
    matrix = jnp.concatenate([matrix] * len(parts))
    x = jnp.concatenate(parts, axis=-1)
    return jnp.dot(x, matrix, preferred_element_type=jnp.float32)


def _parts(x: Array) -> list[jax.Array]:
    """Arrays in bfloat16 whose sum is x: 24 digits of float32 are three times 8."""
    if x.dtype == jnp.bfloat16:
        return [jnp.asarray(x)]
    parts = []
    for _ in range(3):
        # Not a conversion to and fro, which a compiler may leave out.
        part = jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)
        parts.append(part.astype(jnp.bfloat16))
        x = x - part
    return parts
