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

# Bounds the gradient of the signed square root by 1 / (2 * SQRT_OFFSET), as in the
# compact bilinear layer that this operator extends.
SQRT_OFFSET = 0.03
L2_EPSILON = 1e-5

# On a CPU: numbers of one sketch in a piece, and pieces computed at once. A piece fits
# the cache, and XLA, which runs a scatter or a Fourier transform on one core, runs
# those of several pieces on several cores.
PIECE, ABREAST = 2**18, 4

Locations = tuple[Float[Array, "n _"], ...]
Product = Float[Array, "n d"]
Spectrum = Complex[Array, "n f"]
Spectra = tuple[Spectrum, ...]
Sketches = tuple[count_sketch.Sketch, ...]
Empty = tuple[Float[Array, "0 _"], ...]
"""Arrays without locations that keep the dtypes of the pathways."""


def compact_bilinear(
    pathways: Sequence[Float[Array, "*n _"]],
    sketches: Sequence[count_sketch.Sketch],
    width: int,
) -> Float[Array, "*n d"]:
    """Count sketch of the outer product of m pathways (Algorithm 1, line 13).

    The sketch of an outer product is the circular convolution of the sketches, which
    the Fourier transform turns into a product. Always in float32, whatever the dtype of
    the pathways.

    Args:
        pathways: m >= 1 arrays that agree in all axes but the last.
        sketches: one per pathway.
        width: d of the sketches and of the result.

    Raises:
        ValueError: if there is no pathway, or not one sketch for each.
    """
    if not pathways or len(pathways) != len(sketches):
        raise ValueError(f"{len(pathways)} pathways and {len(sketches)} sketches")
    flat = tuple(jnp.asarray(x).reshape(-1, x.shape[-1]) for x in pathways)
    product = _product(flat, tuple(sketches), width)
    return product.reshape(*pathways[0].shape[:-1], width)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(locations: Locations, sketches: Sketches, width: int) -> Product:
    def forward(*locations: Array) -> Array:
        return _inverse(_multiply(_spectra(locations, sketches, width)), width)

    return _by_platform(forward, width, *locations)


def _product_forward(
    locations: Locations, sketches: Sketches, width: int
) -> tuple[Product, tuple[Empty, Spectra, Sketches]]:
    def forward(*locations: Array) -> tuple[Array, Spectra]:
        spectra = _spectra(locations, sketches, width)
        return _inverse(_multiply(spectra), width), spectra

    product, spectra = _by_platform(forward, width, *locations)
    return product, (tuple(x[:0] for x in locations), spectra, sketches)


def _product_backward(
    width: int, saved: tuple[Empty, Spectra, Sketches], slope: Product
) -> tuple[Locations, None]:
    """Correlates the slope with the product of the other sketches, for each pathway.

    JAX's derivative of rfft would be a complex transform of full length.
    """
    empty, spectra, sketches = saved

    def backward(slope: Array, *spectra: Array) -> Locations:
        spectrum = jnp.fft.rfft(slope)
        gradients = []
        for i, sketch in enumerate(sketches):
            others = spectra[:i] + spectra[i + 1 :]
            factors = spectrum, *(jnp.conj(x) for x in others)
            sketched = _inverse(_multiply(factors), width)
            gradient = count_sketch.project_back(sketched, sketch)
            gradients.append(gradient.astype(empty[i].dtype))
        return tuple(gradients)

    return _by_platform(backward, width, slope, *spectra), None


_product.defvjp(_product_forward, _product_backward)


def _spectra(locations: Locations, sketches: Sketches, width: int) -> Spectra:
    return tuple(
        jnp.fft.rfft(count_sketch.project(x, sketch, width))
        for x, sketch in zip(locations, sketches, strict=True)
    )


def _multiply(spectra: Spectra) -> Spectrum:
    return functools.reduce(operator.mul, spectra)


def _inverse(spectrum: Spectrum, width: int) -> Product:
    return jnp.fft.irfft(spectrum, n=width)


def _by_platform(function: Callable[..., Any], width: int, *locations: Array) -> Any:
    """Applies a function to all locations at once, or on a CPU in pieces."""
    pieces = functools.partial(_in_pieces, function, max(1, PIECE // width))
    return jax.lax.platform_dependent(*locations, cpu=pieces, default=function)


def _in_pieces(function: Callable[..., Any], most: int, *locations: Array) -> Any:
    """The last pieces overlap those before, which is cheaper than padding."""
    count = locations[0].shape[0]
    if not isinstance(count, int) or count <= most:
        return function(*locations)
    turns = math.ceil(count / (most * ABREAST))
    size = math.ceil(count / (turns * ABREAST))

    def fill(turn: Array, whole: Any) -> Any:
        numbers = (turn * ABREAST + i for i in range(ABREAST))
        starts = [jnp.minimum(number * size, count - size) for number in numbers]
        pieces = [function(*_cut(locations, start, size)) for start in starts]
        for start, piece in zip(starts, pieces, strict=True):
            whole = jax.tree.map(functools.partial(_put, start=start), whole, piece)
        return whole

    shapes = jax.eval_shape(function, *locations)
    whole = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return jax.lax.fori_loop(0, turns, fill, whole)


def _cut(locations: Sequence[Array], start: Array, size: int) -> list[Array]:
    return [jax.lax.dynamic_slice_in_dim(x, start, size) for x in locations]


def _put(whole: Array, piece: Array, start: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(whole, piece, start, 0)


def signed_sqrt(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """sign(x) * (sqrt(|x| + o^2) - o), the signed square root with a bounded slope.

    Written as a quotient, which is smooth through 0 and loses no digits near it.
    """
    return x / (jnp.sqrt(jnp.abs(x) + SQRT_OFFSET**2) + SQRT_OFFSET)


def l2_normalise(x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
    """Scales the last axis to unit L2 norm; zero stays zero."""
    squares = jnp.sum(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(squares + L2_EPSILON)
