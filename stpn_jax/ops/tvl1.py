"""Dual TV-L1 optical flow, step for step as OpenCV's DualTVL1OpticalFlow computes it.

From coarse to fine, the flow u between the images I0 and I1 minimises

    sum |grad u| + weight * |I1(x + u) - I0(x)|

with I1 linearised anew at every warp (Zach, Pock and Bischof, DAGM 2007; Sanchez,
Meinhardt-Llopis and Facciolo, IPOL 2013). The iterations between two warps are those
of ops.primal_dual.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Float, Float32, Int, UInt8

from stpn_jax import arrays
from stpn_jax.ops import primal_dual

_SMALLEST_SIDE = 16  # OpenCV builds no pyramid level below this
_CUBIC = -0.75  # OpenCV's bicubic kernel
_MARGIN = 3  # zeros before an image; no tap of a clipped position lies further out

Images = Float32[jax.Array, "*n y x"]
Pairs = Float32[jax.Array, "*n 2 y x"]
Resized = Float32[jax.Array, "*n 2 _ _"]
Carry = tuple[Pairs, primal_dual.Dual]


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


PRESETS = {
    "default": Parameters(),
    "fast": Parameters(scale_step=0.5, warps=2, outer_iterations=2, epsilon=0.02),
}
"""OpenCV's parameters, and faster ones for predictions on a CPU."""

_DEFAULTS = PRESETS["default"]


@functools.partial(jax.jit, static_argnames=("parameters", "together"))
def flow(
    first: UInt8[arrays.Array, "n y x"] | Float[arrays.Array, "n y x"],
    second: UInt8[arrays.Array, "n y x"] | Float[arrays.Array, "n y x"],
    parameters: Parameters = _DEFAULTS,
    together: int = 1,
) -> Float32[jax.Array, "n y x 2"]:
    """Displacement of every pixel of `first` to its place in `second`.

    Args:
        first: grey images with values from 0 to 255, also where they are floats.
        second: the image that follows each of them.
        parameters: static: other values compile anew.
        together: static: pairs solved at once. One is right for a CPU, whose cores and
            caches a single pair fills; an accelerator needs dozens.

    Returns:
        Flow in pixels, the x displacement first.
    """
    pairs = jnp.stack([first, second], axis=1).astype(jnp.float32)
    solve = functools.partial(_solve, parameters=parameters)
    if together == 1:  # Without an axis of one pair the compiler does better.
        return lax.map(solve, pairs)
    count, *shape = pairs.shape
    whole = count - count % together
    batches = pairs[:whole].reshape(-1, together, *shape)
    found = lax.map(solve, batches).reshape(whole, *shape[1:], 2)
    return jnp.concatenate([found, solve(pairs[whole:])]) if whole < count else found


def _solve(images: Pairs, parameters: Parameters) -> Float32[jax.Array, "*n y x 2"]:
    """Flow of one pair or of several, from the coarsest level to the finest."""
    levels = _pyramid(images, parameters)
    u = jnp.zeros_like(levels[-1])
    for level in reversed(levels):
        u = _enlarge(u, level.shape[-2:], parameters.scale_step)
        u = _level(level, u, parameters)
    return jnp.moveaxis(u, -3, -1)


def _pyramid(images: Pairs, parameters: Parameters) -> list[Resized]:
    """The images at every level, the finest first."""
    step = parameters.scale_step
    levels = [images]
    while len(levels) < parameters.scales:
        height, width = (round(side * step) for side in levels[-1].shape[-2:])
        if min(height, width) < _SMALLEST_SIDE:
            break
        levels.append(_resize(levels[-1], (height, width), (1 / step, 1 / step)))
    return levels


def _enlarge(u: Pairs, size: tuple[int, ...], scale_step: float) -> Resized:
    """A coarser level's flow on the grid of `size`; unchanged if it has that size."""
    *_, height, width = u.shape
    if (height, width) == size:
        return u
    return _resize(u, size, (height / size[0], width / size[1])) / scale_step


def _resize(images: Pairs, size: tuple[int, ...], steps: tuple[float, ...]) -> Resized:
    """Linear interpolation; `steps` are source pixels per target pixel."""
    rows = _interpolation(images.shape[-2], size[0], steps[0])
    columns = _interpolation(images.shape[-1], size[1], steps[1])
    return jnp.einsum("Yy,...yx,Xx->...YX", rows, images, columns, precision="highest")


def _interpolation(
    source: int, target: int, step: float
) -> Float32[np.ndarray, "target source"]:
    """Weights of linear interpolation at half-pixel centres, the ends repeated."""
    centres = np.clip((np.arange(target) + 0.5) * step - 0.5, 0, source - 1)
    distance = np.abs(centres[:, None] - np.arange(source))
    return np.maximum(1 - distance, 0).astype(np.float32)


def _level(images: Pairs, u: Pairs, parameters: Parameters) -> Pairs:
    """All the warps of one pyramid level."""
    before, after = images[..., 0, :, :], images[..., 1, :, :]
    table = jnp.stack([after, *_gradient(after)], axis=-3)
    table = _pad(table, (_MARGIN, _MARGIN + 1))
    height, width = before.shape[-2:]
    solver = _solver(parameters, (height, width))

    def warp(carry: Carry, _: None) -> tuple[Carry, None]:
        u, dual = carry
        warped = _warp(table, u)
        slope = warped[..., 1:, :, :]
        residual = warped[..., 0, :, :] - jnp.sum(slope * u, axis=-3) - before
        return primal_dual.solve(solver, u, dual, slope, residual), None

    start = u, primal_dual.still(u)
    (u, _), _ = lax.scan(warp, start, length=parameters.warps)
    return u


def _solver(parameters: Parameters, shape: tuple[int, int]) -> primal_dual.Solver:
    return primal_dual.Solver(
        shape=shape,
        reach=np.float32(parameters.weight * parameters.theta),
        theta=parameters.theta,
        ascent=np.float32(parameters.tau / parameters.theta),
        tolerance=np.float32(parameters.epsilon**2 * math.prod(shape)),
        rounds=parameters.outer_iterations,
        iterations=parameters.inner_iterations,
        median=parameters.median,
    )


def _gradient(images: Images) -> tuple[Images, Images]:
    """Central differences along x and y; at the border half the one-sided ones."""
    padded = _pad(images, (1, 1), mode="edge")
    along_x = 0.5 * (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2])
    along_y = 0.5 * (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    return along_x, along_y


def _pad(
    images: jax.Array, border: tuple[int, int], mode: str = "constant"
) -> jax.Array:
    """Pixels before and after the last two axes."""
    return jnp.pad(images, (*[(0, 0)] * (images.ndim - 2), border, border), mode=mode)


def _warp(
    table: Float32[jax.Array, "*n planes rows stride"], u: Pairs
) -> Float32[jax.Array, "*n planes y x"]:
    """Bicubic samples of each plane at the pixels displaced by u, zero outside.

    The sum over rows of taps is a loop because its carry is stored: unrolled, the
    compiler fuses all sixteen taps into every consumer of the result.
    """
    *leading, rows, stride = table.shape
    *_, height, width = u.shape
    y = u[..., 1, :, :] + np.arange(height, dtype=np.float32)[:, None]
    x = u[..., 0, :, :] + np.arange(width, dtype=np.float32)
    y, x = jnp.clip(y, -2, height + 1), jnp.clip(x, -2, width + 1)
    top, left = jnp.floor(y), jnp.floor(x)
    corner = (top.astype(jnp.int32) + _MARGIN - 1) * stride
    corner += left.astype(jnp.int32) + _MARGIN - 1
    planes = np.arange(math.prod(leading), dtype=np.int32) * (rows * stride)
    corner = corner[..., None, :, :] + planes.reshape(*leading, 1, 1)
    table = table.reshape(-1)
    weights_x = [weight[..., None, :, :] for weight in _cubic_weights(x - left)]
    weights_y = jnp.stack(_cubic_weights(y - top))[..., None, :, :]

    def add_row(j: Int[jax.Array, ""], total: jax.Array) -> jax.Array:
        indices = [corner + (j * stride + i) for i in range(4)]
        taps = [table.at[index].get(mode="promise_in_bounds") for index in indices]
        row = sum(weight * tap for weight, tap in zip(weights_x, taps, strict=True))
        return total + weights_y[j] * row

    return lax.fori_loop(0, 4, add_row, jnp.zeros((*leading, height, width)))


def _cubic_weights(t: Images) -> tuple[Images, Images, Images, Images]:
    """Weights of the taps at -1, 0, 1 and 2 for a position t in [0, 1)."""

    def near(t: Images) -> Images:
        return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1

    s = t + 1
    before = ((_CUBIC * s - 5 * _CUBIC) * s + 8 * _CUBIC) * s - 4 * _CUBIC
    here, after = near(t), near(1 - t)
    return before, here, after, 1 - before - here - after
