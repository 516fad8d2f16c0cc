"""Dual TV-L1 optical flow, step for step as OpenCV's DualTVL1OpticalFlow computes it.

From coarse to fine, the flow u between the images I0 and I1 minimises

    sum |grad u| + weight * |I1(x + u) - I0(x)|

with I1 linearised anew at every warp (Zach, Pock and Bischof, DAGM 2007; Sanchez,
Meinhardt-Llopis and Facciolo, IPOL 2013). Two choices make it quick on a CPU: pairs run
one after another, each until its own tolerance is met, and an inner iteration works on
images as flat rows, where a neighbour is a slice at a fixed offset, with guard rows of
zeros and border weights instead of a branch per pixel.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Float32, Int, UInt8

from stpn_jax import arrays

_SMALLEST_SIDE = 16  # OpenCV builds no pyramid level below this
_LEAST_GRADIENT = float(np.finfo(np.float32).eps)
_CUBIC = -0.75  # OpenCV's bicubic kernel
_MARGIN = 3  # zeros before an image; no tap of a clipped position lies further out

Image = Float32[jax.Array, "y x"]
Planes = Float32[jax.Array, "planes y x"]
Flow = Float32[jax.Array, "2 y x"]
Resized = Float32[jax.Array, "planes _ _"]
FlatFlow = Float32[jax.Array, "2 guarded"]
Dual = tuple[FlatFlow, FlatFlow]
Carry = tuple[Flow | FlatFlow, Dual, jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True)
class Parameters:
    """OpenCV's parameters and their defaults.

    Attributes:
        tau: time step of the dual ascent.
        weight: of the data term (OpenCV's lambda).
        theta: tightness of the coupling between the data and the smoothness term.
        scales: pyramid levels at most; those under 16 pixels are left out.
        scale_step: size of a level relative to the next finer one.
        warps: linearisations at each level.
        epsilon: root mean square change of the flow, in pixels, that ends a warp.
        inner_iterations: iterations after each median at most.
        outer_iterations: medians of a warp at most.
        median: odd width of the median filter in pixels; 1 turns it off.
    """

    tau: float = 0.25
    weight: float = 0.15
    theta: float = 0.3
    scales: int = 5
    scale_step: float = 0.8
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    median: int = 5


_DEFAULTS = Parameters()


@functools.partial(jax.jit, static_argnames="parameters")
def flow(
    first: UInt8[arrays.Array, "n y x"] | Float[arrays.Array, "n y x"],
    second: UInt8[arrays.Array, "n y x"] | Float[arrays.Array, "n y x"],
    parameters: Parameters = _DEFAULTS,
) -> Float32[jax.Array, "n y x 2"]:
    """Displacement of every pixel of `first` to its place in `second`.

    Args:
        first: grey images with values from 0 to 255, also where they are floats.
        second: the image that follows each of them.
        parameters: static: other values compile anew.

    Returns:
        Flow in pixels, the x displacement first.
    """
    pairs = jnp.stack([first, second], axis=1).astype(jnp.float32)
    return lax.map(functools.partial(_pair, parameters=parameters), pairs)


def _pair(
    images: Float32[jax.Array, "2 y x"], parameters: Parameters
) -> Float32[jax.Array, "y x 2"]:
    """Flow of one pair, from the coarsest level to the finest."""
    levels = _pyramid(images, parameters)
    u = jnp.zeros_like(levels[-1])
    for level in reversed(levels):
        u = _enlarge(u, level.shape[1:], parameters.scale_step)
        u = _level(level, u, parameters)
    return jnp.moveaxis(u, 0, -1)


def _pyramid(images: Planes, parameters: Parameters) -> list[Resized]:
    """The images at every level, the finest first."""
    step = parameters.scale_step
    levels = [images]
    while len(levels) < parameters.scales:
        height, width = (round(side * step) for side in levels[-1].shape[1:])
        if min(height, width) < _SMALLEST_SIDE:
            break
        levels.append(_resize(levels[-1], (height, width), (1 / step, 1 / step)))
    return levels


def _enlarge(u: Flow, size: tuple[int, ...], scale_step: float) -> Resized:
    """A coarser level's flow on the grid of `size`; of that size already: as it is."""
    _, height, width = u.shape
    if (height, width) == size:
        return u
    return _resize(u, size, (height / size[0], width / size[1])) / scale_step


def _resize(images: Planes, size: tuple[int, ...], steps: tuple[float, ...]) -> Resized:
    """Linear interpolation; `steps` are source pixels per target pixel."""
    rows = _interpolation(images.shape[1], size[0], steps[0])
    columns = _interpolation(images.shape[2], size[1], steps[1])
    return jnp.einsum("Yy,cyx,Xx->cYX", rows, images, columns, precision="highest")


def _interpolation(
    source: int, target: int, step: float
) -> Float32[np.ndarray, "target source"]:
    """Weights of linear interpolation at half-pixel centres, the ends repeated."""
    centres = np.clip((np.arange(target) + 0.5) * step - 0.5, 0, source - 1)
    distance = np.abs(centres[:, None] - np.arange(source))
    return np.maximum(1 - distance, 0).astype(np.float32)


def _level(
    images: Float32[jax.Array, "2 y x"], u: Flow, parameters: Parameters
) -> Flow:
    """All the warps of one pyramid level."""
    before, after = images
    height, width = before.shape
    margin = (_MARGIN, _MARGIN + 1)
    table = jnp.pad(jnp.stack([after, *_gradient(after)]), ((0, 0), margin, margin))

    def warp(carry: tuple[Flow, Dual], _: None) -> tuple[tuple[Flow, Dual], None]:
        u, dual = carry
        warped = _warp(table, u)
        slope = warped[1:]
        residual = warped[0] - jnp.sum(slope * u, axis=0) - before
        return _relax(u, dual, slope, residual, parameters), None

    still = jnp.zeros((2, (height + 1) * width))
    (u, _), _ = lax.scan(warp, (u, (still, still)), length=parameters.warps)
    return u


def _gradient(image: Image) -> tuple[Image, Image]:
    """Central differences along x and y; at the border half the one-sided ones."""
    padded = jnp.pad(image, 1, mode="edge")
    along_x = 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])
    along_y = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    return along_x, along_y


def _warp(table: Float32[jax.Array, "planes rows stride"], u: Flow) -> Planes:
    """Bicubic samples of each plane at the pixels displaced by u, zero outside.

    The sum over the rows of taps is a loop because its carry is stored: written out,
    the compiler fuses all sixteen taps into each of the readers of the result.
    """
    planes, rows, stride = table.shape
    _, height, width = u.shape
    y = jnp.clip(np.arange(height, dtype=np.float32)[:, None] + u[1], -2, height + 1)
    x = jnp.clip(np.arange(width, dtype=np.float32) + u[0], -2, width + 1)
    top, left = jnp.floor(y), jnp.floor(x)
    corner = (top.astype(jnp.int32) + _MARGIN - 1) * stride
    corner += left.astype(jnp.int32) + _MARGIN - 1
    corner += np.arange(planes, dtype=np.int32)[:, None, None] * (rows * stride)
    table = table.reshape(-1)
    weights_x = _cubic_weights(x - left)
    weights_y = jnp.stack(_cubic_weights(y - top))

    def add_row(j: Int[jax.Array, ""], total: Planes) -> Planes:
        indices = [corner + (j * stride + i) for i in range(4)]
        taps = [table.at[index].get(mode="promise_in_bounds") for index in indices]
        row = sum(weight * tap for weight, tap in zip(weights_x, taps, strict=True))
        return total + weights_y[j] * row

    return lax.fori_loop(0, 4, add_row, jnp.zeros((planes, height, width)))


def _cubic_weights(t: Image) -> tuple[Image, Image, Image, Image]:
    """Weights of the taps at -1, 0, 1 and 2 for a position t in [0, 1)."""

    def near(t: Image) -> Image:
        return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1

    s = t + 1
    before = ((_CUBIC * s - 5 * _CUBIC) * s + 8 * _CUBIC) * s - 4 * _CUBIC
    here, after = near(t), near(1 - t)
    return before, here, after, 1 - before - here - after


def _relax(
    u: Flow, dual: Dual, slope: Flow, residual: Image, parameters: Parameters
) -> tuple[Flow, Dual]:
    """Rounds of one median and inner iterations, until the flow has settled.

    A guard row of zeros below u, and one above the dual variables, is what an inner
    iteration reads there.
    """
    _, height, width = u.shape
    tolerance = np.float32(parameters.epsilon**2 * height * width)
    inner = _inner_iteration(slope, residual, parameters)

    def unsettled(limit: int) -> Callable[[Carry], jax.Array]:
        return lambda carry: (carry[3] > tolerance) & (carry[2] < limit)

    def outer(carry: Carry) -> Carry:
        u, dual, count, change = carry
        smooth = _median(u[:, :height], parameters.median)
        u = lax.dynamic_update_slice(u, smooth, (0, 0, 0)).reshape(2, -1)
        proceed = unsettled(parameters.inner_iterations)
        u, dual, _, change = lax.while_loop(
            proceed, inner, (u, dual, jnp.int32(0), change)
        )
        return u.reshape(2, height + 1, width), dual, count + 1, change

    guarded = jnp.pad(u, ((0, 0), (0, 1), (0, 0)))
    start = (guarded, dual, jnp.int32(0), jnp.float32(jnp.inf))
    u, dual, _, _ = lax.while_loop(unsettled(parameters.outer_iterations), outer, start)
    return u[:, :height], dual


def _inner_iteration(
    slope: Flow, residual: Image, parameters: Parameters
) -> Callable[[Carry], Carry]:
    """One step on u and on its dual variables p, all as flat rows.

    The dual variables of the last column and row stay zero, so that the pixel before
    the first of a row, which is the last of the row above, needs no border weight.
    """
    _, height, width = slope.shape
    size = height * width
    reach = np.float32(parameters.weight * parameters.theta)
    ascent = np.float32(parameters.tau / parameters.theta)
    right = np.tile((np.arange(width) < width - 1) * ascent, height)
    below = np.repeat((np.arange(height) < height - 1) * ascent, width)
    square = jnp.maximum(jnp.sum(slope**2, axis=0), _LEAST_GRADIENT)
    inverse = (1 / square).reshape(size)
    slope, residual = slope.reshape(2, size), residual.reshape(size)

    def iterate(carry: Carry) -> Carry:
        u, (p_x, p_y), count, _ = carry
        now = u[:, :size]
        rho = residual + slope[0] * now[0] + slope[1] * now[1]
        divergence = p_x[:, width:] - p_x[:, width - 1 : -1]
        divergence += p_y[:, width:] - p_y[:, :size]
        step = _clip(-rho * inverse, reach) * slope + parameters.theta * divergence
        u = lax.dynamic_update_slice(u, now + step, (0, 0))
        u_x = (u[:, 1 : size + 1] - u[:, :size]) * right
        u_y = (u[:, width:] - u[:, :size]) * below
        shrink = 1 / (1 + jnp.sqrt(u_x**2 + u_y**2))
        p_x = lax.dynamic_update_slice(p_x, (p_x[:, width:] + u_x) * shrink, (0, width))
        p_y = lax.dynamic_update_slice(p_y, (p_y[:, width:] + u_y) * shrink, (0, width))
        return u, (p_x, p_y), count + 1, jnp.sum(step**2)

    return iterate


def _median(u: Flow, side: int) -> Flow:
    """Median over squares of `side` pixels, the border pixels repeated."""
    _, height, width = u.shape
    reach = side // 2
    u = jnp.pad(u, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    corners = [(y, x) for y in range(side) for x in range(side)]
    values = [u[:, y : y + height, x : x + width] for y, x in corners]
    for i, j in _sorting_network(len(values)):
        values[i], values[j] = _ordered(values[i], values[j])
    return values[len(values) // 2]


def _sorting_network(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort of `count` values, as exchanges in order."""
    run = 1
    while run < count:
        gap = run
        while gap:
            for start in range(gap % run, count - gap, 2 * gap):
                for i in range(start, min(start + gap, count - gap)):
                    if i // (2 * run) == (i + gap) // (2 * run):
                        yield i, i + gap
            gap //= 2
        run *= 2


# Comparisons instead of jnp.minimum, maximum and clip: those must propagate NaN, which
# costs several instructions where a comparison and a choice make one.
def _ordered(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(a < b, a, b), jnp.where(a < b, b, a)


def _clip(values: jax.Array, limit: np.float32) -> jax.Array:
    below = jnp.where(values < limit, values, limit)
    return jnp.where(below > -limit, below, -limit)
