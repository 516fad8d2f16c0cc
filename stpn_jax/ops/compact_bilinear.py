"""STCB, the compact bilinear operator (Algorithm 1), and what follows it."""

import functools
import operator
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.ops import count_sketch

# Bounds the gradient of the signed square root by 1 / (2 * SQRT_OFFSET), the bound of
# the compact bilinear layer this operator goes back to.
SQRT_OFFSET = 0.03
L2_EPSILON = 1e-5


def compact_bilinear(
    pathways: Sequence[Float[Array, "*n _"]],
    sketches: Sequence[count_sketch.Sketch],
    width: int,
) -> Float[Array, "*n d"]:
    """Count sketch of the outer product of m pathways (Algorithm 1, line 13).

    The sketch of an outer product is the circular convolution of the sketches, which
    the Fourier transform turns into a product. Always in float32.

    Args:
        pathways: m >= 1 arrays that agree in all axes but the last.
        sketches: one per pathway.
        width: d of the sketches and of the result.

    Raises:
        ValueError: if there is no pathway, or not one sketch for each.
    """
    if not pathways or len(pathways) != len(sketches):
        raise ValueError(f"{len(pathways)} pathways and {len(sketches)} sketches")
    spectra = [
        jnp.fft.rfft(count_sketch.project(x, sketch, width))
        for x, sketch in zip(pathways, sketches, strict=True)
    ]
    return jnp.fft.irfft(functools.reduce(operator.mul, spectra), n=width)


def signed_sqrt(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """sign(x) * (sqrt(|x| + o^2) - o), the signed square root with a bounded slope.

    Written as a quotient, which is smooth through 0 and loses no digits near it.
    """
    return x / (jnp.sqrt(jnp.abs(x) + SQRT_OFFSET**2) + SQRT_OFFSET)


def l2_normalise(x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
    """Scales the last axis to unit L2 norm; zero stays zero."""
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(squares + L2_EPSILON)
