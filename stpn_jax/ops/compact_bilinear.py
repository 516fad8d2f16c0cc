"""STCB, the compact bilinear operator (Algorithm 1), and what follows it."""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Complex, Float

from stpn_jax.arrays import Array
from stpn_jax.ops import count_sketch

# Bounds the gradient of the signed square root by 1 / (2 * SQRT_OFFSET), the bound of
# the compact bilinear layer this operator goes back to.
SQRT_OFFSET = 0.03
L2_EPSILON = 1e-5

# Numbers of one sketch in a piece, and pieces side by side, on a CPU: what comes and
# goes with them fits the cache and takes no fresh memory, and XLA, which runs a scatter
# and a Fourier transform on one core, runs those of several pieces on several.
PIECE, ABREAST = 2**18, 4

Rows = tuple[Float[Array, "n _"], ...]
Spectra = tuple[Complex[Array, "n f"], ...]
Sketches = tuple[count_sketch.Sketch, ...]


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
    rows = tuple(x.reshape(-1, x.shape[-1]).astype(jnp.float32) for x in pathways)
    product = _product(rows, tuple(sketches), width)
    return product.reshape(*pathways[0].shape[:-1], width)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(rows: Rows, sketches: Sketches, width: int) -> Float[Array, "n d"]:
    def forward(*rows: Array) -> Array:
        return _inverse(_multiply(_spectra(rows, sketches, width)), width)

    return _by_platform(forward, width, *rows)


def _product_forward(
    rows: Rows, sketches: Sketches, width: int
) -> tuple[Float[Array, "n d"], tuple[Spectra, Sketches]]:
    def forward(*rows: Array) -> tuple[Array, Spectra]:
        spectra = _spectra(rows, sketches, width)
        return _inverse(_multiply(spectra), width), spectra

    product, spectra = _by_platform(forward, width, *rows)
    return product, (spectra, sketches)


def _product_backward(
    width: int, saved: tuple[Spectra, Sketches], slope: Float[Array, "n d"]
) -> tuple[Rows, None]:
    """Correlates the slope with the product of the other sketches, for each pathway.

    Derived from the formula, since the derivative that JAX has of rfft is a complex
    transform of full length.
    """
    spectra, sketches = saved

    def backward(slope: Array, *spectra: Array) -> Rows:
        spectrum = jnp.fft.rfft(slope)
        gradients = []
        for i, sketch in enumerate(sketches):
            others = spectra[:i] + spectra[i + 1 :]
            factors = spectrum, *(jnp.conj(x) for x in others)
            sketched = _inverse(_multiply(factors), width)
            gradients.append(count_sketch.project_back(sketched, sketch))
        return tuple(gradients)

    return _by_platform(backward, width, slope, *spectra), None


_product.defvjp(_product_forward, _product_backward)


def _spectra(rows: Rows, sketches: Sketches, width: int) -> Spectra:
    return tuple(
        jnp.fft.rfft(count_sketch.project(x, sketch, width))
        for x, sketch in zip(rows, sketches, strict=True)
    )


def _multiply(spectra: Spectra) -> Complex[Array, "n f"]:
    return functools.reduce(operator.mul, spectra)


def _inverse(spectrum: Complex[Array, "n f"], width: int) -> Float[Array, "n d"]:
    return jnp.fft.irfft(spectrum, n=width)


def _by_platform(function: Callable[..., Any], width: int, *rows: Array) -> Any:
    """Applies a function of rows to all at once, or on a CPU to some at a time."""
    pieces = functools.partial(_in_pieces, function, max(1, PIECE // width))
    return jax.lax.platform_dependent(*rows, cpu=pieces, default=function)


def _in_pieces(function: Callable[..., Any], most: int, *rows: Array) -> Any:
    """The last pieces overlap those before: that is cheaper than padding."""
    count = rows[0].shape[0]
    if not isinstance(count, int) or count <= most:
        return function(*rows)
    turns = math.ceil(count / (most * ABREAST))
    size = math.ceil(count / (turns * ABREAST))

    def fill(turn: Array, whole: Any) -> Any:
        numbers = (turn * ABREAST + i for i in range(ABREAST))
        starts = [jnp.minimum(number * size, count - size) for number in numbers]
        parts = [function(*_cut(rows, start, size)) for start in starts]
        for start, part in zip(starts, parts, strict=True):
            put = functools.partial(_put, start=start)
            whole = jax.tree.map(put, whole, part)
        return whole

    shapes = jax.eval_shape(function, *rows)
    whole = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return jax.lax.fori_loop(0, turns, fill, whole)


def _cut(rows: Sequence[Array], start: Array, size: int) -> list[Array]:
    return [jax.lax.dynamic_slice_in_dim(x, start, size) for x in rows]


def _put(whole: Array, part: Array, start: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(whole, part, start, 0)


def signed_sqrt(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """sign(x) * (sqrt(|x| + o^2) - o), the signed square root with a bounded slope.

    Written as a quotient, which is smooth through 0 and loses no digits near it.
    """
    return x / (jnp.sqrt(jnp.abs(x) + SQRT_OFFSET**2) + SQRT_OFFSET)


def l2_normalise(x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
    """Scales the last axis to unit L2 norm; zero stays zero."""
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(squares + L2_EPSILON)
