"""The inner problem of TV-L1: rounds of a median and of iterations on u and its dual.

An inner iteration works on flattened images, where a neighbour is a slice at a fixed
offset, with guard rows of zeros and border weights instead of a branch per pixel.

Pairs that are solved together converge at different times. Each is frozen when its own
tolerance is met, and as soon as half of them are, the others continue as a batch of
half the size: on real clips a batch of 96 then costs 1.4 times the sum of what its
pairs need, where running to the slowest costs 5.4 times.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool, Float, Float32, Int32

_LEAST_GRADIENT = float(np.finfo(np.float32).eps)
_LEAST_BATCH = 4  # Splitting a smaller batch is not worth the copying.

Planes = Float32[jax.Array, "*n 2 y x"]
Rows = Float32[jax.Array, "*n 2 size"]
Guarded = Float32[jax.Array, "*n 2 guarded"]


class Dual(NamedTuple):
    """The dual variables of u, a guard row above them: p_x and p_y of x and y."""

    x: Guarded
    y: Guarded


class Problem(NamedTuple):
    """What the iterations of one warp read, flattened.

    Attributes:
        slope: gradient of the warped image along x and y.
        residual: warped image less the first one, less slope * u at the warp.
        inverse: 1 / |slope|^2.
    """

    slope: Rows
    residual: Float32[jax.Array, "*n size"]
    inverse: Float32[jax.Array, "*n size"]


class State(NamedTuple):
    """What the iterations of one warp change.

    Attributes:
        u: flow, a guard row below it.
        dual: its dual variables.
        rounds: medians so far.
        change: summed squared change of u in the last iteration.
    """

    u: Guarded
    dual: Dual
    rounds: Int32[jax.Array, "*n"]
    change: Float32[jax.Array, "*n"]


class Solver(NamedTuple):
    """The constants of one pyramid level.

    Attributes:
        shape: height and width in pixels.
        reach: largest step of the data term, times 1 / |slope|.
        theta: tightness of the coupling.
        ascent: step of the dual variables.
        tolerance: of State.change.
        rounds: medians at most.
        iterations: after each median at most.
        median: odd width of the median filter in pixels.
    """

    shape: tuple[int, int]
    reach: np.float32
    theta: float
    ascent: np.float32
    tolerance: np.float32
    rounds: int
    iterations: int
    median: int


def still(u: Planes) -> Dual:
    """Dual variables at the start of a level."""
    *leading, height, width = u.shape
    zeros = jnp.zeros((*leading, (height + 1) * width))
    return Dual(zeros, zeros)


def solve(
    solver: Solver,
    u: Planes,
    dual: Dual,
    slope: Planes,
    residual: Float32[jax.Array, "*n y x"],
) -> tuple[Planes, Dual]:
    """Iterates until the flow of every pair has converged, or the limits are reached.

    Starts from the flow u and the dual variables of the warp before.
    """
    *leading, _, height, width = u.shape
    square = jnp.maximum(jnp.sum(slope**2, axis=-3), _LEAST_GRADIENT)
    problem = Problem(
        slope.reshape(*leading, 2, -1),
        residual.reshape(*leading, -1),
        (1 / square).reshape(*leading, -1),
    )
    guarded = jnp.pad(u, (*((0, 0) for _ in leading), (0, 0), (0, 1), (0, 0)))
    state = State(
        guarded.reshape(*leading, 2, -1),
        dual,
        rounds=jnp.zeros(leading, jnp.int32),
        change=jnp.full(leading, jnp.inf, jnp.float32),
    )
    state = _rounds(solver, problem, state)
    return state.u[..., : height * width].reshape(u.shape), state.dual


def _unsettled(solver: Solver, state: State) -> Bool[jax.Array, "*n"]:
    return (state.change > solver.tolerance) & (state.rounds < solver.rounds)


def _rounds(solver: Solver, problem: Problem, state: State) -> State:
    """Rounds until half of the pairs have converged; then the others by themselves."""
    pairs = state.change.size
    half = pairs // 2 if pairs > _LEAST_BATCH else 0
    state = lax.while_loop(
        lambda state: jnp.sum(_unsettled(solver, state)) > half,
        lambda state: _round(solver, problem, state),
        state,
    )
    if not half:
        return state
    chosen = jnp.argsort(~_unsettled(solver, state))[:half]
    part = _rounds(solver, *jax.tree.map(lambda whole: whole[chosen], (problem, state)))
    return jax.tree.map(lambda whole, new: whole.at[chosen].set(new), state, part)


def _round(solver: Solver, problem: Problem, state: State) -> State:
    """A median and its iterations, for the pairs that have not converged."""
    height, width = solver.shape
    going = _unsettled(solver, state)
    u = state.u.reshape(*going.shape, 2, height + 1, width)
    smooth = median(u[..., :height, :], solver.median)
    u = _overwrite(u, _choose(going, smooth, u[..., :height, :]), 0)
    u = u.reshape(state.u.shape)
    iterate = _iteration(solver, problem)

    def proceed(carry: tuple[State, jax.Array]) -> jax.Array:
        state, count = carry
        return jnp.any(_unsettled(solver, state)) & (count < solver.iterations)

    def body(carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
        state, count = carry
        return iterate(state), count + 1

    state, _ = lax.while_loop(proceed, body, (state._replace(u=u), jnp.int32(0)))
    return state._replace(rounds=state.rounds + going)


def _iteration(solver: Solver, problem: Problem) -> Callable[[State], State]:
    """One step on u and on its dual variables, for the pairs that have not converged.

    The dual variables of the last column and row stay zero, so that the pixel before
    the first of a row, which is the last of the row above, needs no border weight.
    """
    height, width = solver.shape
    size = height * width
    slope, residual, inverse = problem
    right = np.tile((np.arange(width) < width - 1) * solver.ascent, height)
    below = np.repeat((np.arange(height) < height - 1) * solver.ascent, width)

    def iterate(state: State) -> State:
        u, (p_x, p_y), _, change = state
        going = _unsettled(solver, state)
        now = u[..., :size]
        (g_x, g_y), (now_x, now_y) = _axes(slope), _axes(now)
        rho = residual + g_x * now_x + g_y * now_y
        divergence = p_x[..., width:] - p_x[..., width - 1 : -1]
        divergence += p_y[..., width:] - p_y[..., :size]
        pull = _clip(-rho * inverse, solver.reach)[..., None, :]
        step = pull * slope + solver.theta * divergence
        u = _overwrite(u, _choose(going, now + step, now), 0)
        u_x = (u[..., 1 : size + 1] - u[..., :size]) * right
        u_y = (u[..., width:] - u[..., :size]) * below
        shrink = 1 / (1 + jnp.sqrt(u_x**2 + u_y**2))
        duals = []
        for p, up in ((p_x, u_x), (p_y, u_y)):
            inner = p[..., width:]
            inner = _choose(going, (inner + up) * shrink, inner)
            duals.append(_overwrite(p, inner, width))
        change = _choose(going, jnp.sum(step**2, axis=(-2, -1)), change)
        return state._replace(u=u, dual=Dual(*duals), change=change)

    return iterate


def _axes(vectors: Rows) -> tuple[jax.Array, jax.Array]:
    return vectors[..., 0, :], vectors[..., 1, :]


def _overwrite(whole: jax.Array, part: jax.Array, start: int) -> jax.Array:
    """`whole` with `part` written from `start` on along its last axis."""
    corner = [0] * (whole.ndim - 1) + [start]
    return lax.dynamic_update_slice(whole, part, corner)


def _choose(going: Bool[jax.Array, "*n"], new: jax.Array, old: jax.Array) -> jax.Array:
    """The new values of the pairs that continue, as a single pair does while run."""
    if not going.ndim:
        return new
    return jnp.where(jnp.expand_dims(going, range(1, new.ndim)), new, old)


def median(images: Float[jax.Array, "*n y x"], side: int) -> Float[jax.Array, "*n y x"]:
    """Median over squares of `side` pixels (odd), the border pixels repeated."""
    *leading, height, width = images.shape
    reach = side // 2
    border = [(0, 0) for _ in leading] + [(reach, reach)] * 2
    padded = jnp.pad(images, border, mode="edge")
    corners = [(y, x) for y in range(side) for x in range(side)]
    values = [padded[..., y : y + height, x : x + width] for y, x in corners]
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


# Comparisons instead of jnp.minimum, jnp.maximum and jnp.clip: those must propagate
# NaN, which costs several instructions where a comparison and a choice make one.
def _ordered(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(a < b, a, b), jnp.where(a < b, b, a)


def _clip(values: jax.Array, limit: np.float32) -> jax.Array:
    below = jnp.where(values < limit, values, limit)
    return jnp.where(below > -limit, below, -limit)
