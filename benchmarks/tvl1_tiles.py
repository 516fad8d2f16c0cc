"""Several TV-L1 iterations on a tile in on-chip memory, against plain XLA.

    python -m benchmarks.tvl1_tiles --bandwidth=3350

Plain XLA reads and writes every pixel once an iteration. Here a block of a GPU loads a
tile of the image with a halo, does T iterations in shared memory and writes back the
tile without its halo, where neighbouring tiles have computed the same pixels: device
memory is touched once in T iterations. The kernel is for the Mosaic GPU lowering, on
Hopper or newer, since only there a kernel can address shared memory; Pallas' Triton
lowering has no way to a neighbouring pixel but through device memory.

On a processor the kernel is interpreted on a small image, for the differences alone.
"""

import argparse
import functools
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import mosaic_gpu as gpu
from jaxtyping import Bool, Float32, Int32

from benchmarks import tvl1 as flows
from stpn_jax.ops import primal_dual, tvl1

_WARPGROUP = 128  # threads that hold one array of a kernel
_TINY = np.float32(1e-30)
_PLAIN_BYTES = 64  # of a pixel in an iteration of plain XLA

Padded = Float32[jax.Array, "n two 6 y x"]


class Tiling(NamedTuple):
    """How the image is cut.

    Attributes:
        rows: of a tile without its halo.
        columns: of a tile with its halo.
        iterations: at most between two visits to device memory; width of the halo.
        groups: warpgroups that share a tile.
    """

    rows: int
    columns: int
    iterations: int
    groups: int

    @property
    def inner(self) -> tuple[int, int]:
        """Rows and columns of a tile without its halo."""
        return self.rows, self.columns - 2 * self.iterations

    @property
    def outer(self) -> tuple[int, int]:
        """Rows and columns of a tile with its halo."""
        return self.rows + 2 * self.iterations, self.columns

    def tiles(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Down and across an image."""
        (height, width), (rows, columns) = shape, self.inner
        return -(-height // rows), -(-width // columns)

    def padded(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Size of the stored images: whole tiles and the halo around them."""
        (down, across), (rows, columns) = self.tiles(shape), self.inner
        return (
            down * rows + 2 * self.iterations,
            across * columns + 2 * self.iterations,
        )


TILINGS = [
    Tiling(rows=32, columns=64, iterations=4, groups=2),
    Tiling(rows=64, columns=64, iterations=4, groups=4),
    Tiling(rows=32, columns=128, iterations=4, groups=2),
    Tiling(rows=32, columns=64, iterations=8, groups=2),
    Tiling(rows=64, columns=64, iterations=8, groups=4),
    Tiling(rows=16, columns=128, iterations=8, groups=2),
]


class Problem(NamedTuple):
    """What the iterations of one warp read: slope, residual and 1 / |slope|^2."""

    planes: Float32[jax.Array, "n 4 y x"]


class State(NamedTuple):
    """What they change, beside the fields of primal_dual.State.

    Every pair has two sets of planes, u and the dual variables of x and of y, zeros
    around the image. A visit reads one set and writes the other, so that it can be
    repeated with fewer iterations, and a pair that has settled is not touched.

    Attributes:
        planes: both sets.
        newest: which of them is valid.
        rounds: see primal_dual.State.
        change: see primal_dual.State.
    """

    planes: Padded
    newest: Int32[jax.Array, "n"]
    rounds: Int32[jax.Array, "n"]
    change: Float32[jax.Array, "n"]


def solve(
    tiling: Tiling,
    interpret: bool,
    solver: primal_dual.Solver,
    u: primal_dual.Planes,
    dual: primal_dual.Dual,
    slope: primal_dual.Planes,
    residual: Float32[jax.Array, "n y x"],
) -> tuple[primal_dual.Planes, primal_dual.Dual]:
    """primal_dual.solve in tiles, for pairs side by side."""
    pairs, _, height, width = u.shape
    square = jnp.maximum(jnp.sum(slope**2, axis=1), primal_dual._LEAST_GRADIENT)
    planes = [slope, residual[:, None], 1 / square[:, None]]
    problem = Problem(_surround(tiling, jnp.concatenate(planes, 1)))
    duals = [part.reshape(pairs, 2, height + 1, width)[:, :, 1:] for part in dual]
    newest = _surround(tiling, jnp.concatenate([u, *duals], 1))
    state = State(
        jnp.stack([newest, jnp.zeros_like(newest)], 1),
        newest=jnp.zeros(pairs, jnp.int32),
        rounds=jnp.zeros(pairs, jnp.int32),
        change=jnp.full(pairs, jnp.inf, jnp.float32),
    )
    state = _rounds(tiling, interpret, solver, problem, state)
    inner = (slice(tiling.iterations, tiling.iterations + side) for side in u.shape[2:])
    found = _newest(state)[..., *inner]
    above = jnp.pad(found[:, 2:], ((0, 0), (0, 0), (1, 0), (0, 0)))
    above = above.reshape(pairs, 4, -1)
    return found[:, :2], primal_dual.Dual(above[:, :2], above[:, 2:])


def _unsettled(solver: primal_dual.Solver, state: State) -> Bool[jax.Array, "n"]:
    return (state.change > solver.tolerance) & (state.rounds < solver.rounds)


def _rounds(
    tiling: Tiling,
    interpret: bool,
    solver: primal_dual.Solver,
    problem: Problem,
    state: State,
) -> State:
    """Rounds until every pair has settled.

    Visits leave out those that have; the median does not, which primal_dual spares by
    going on with half of the pairs.
    """
    return lax.while_loop(
        lambda state: jnp.any(_unsettled(solver, state)),
        lambda state: _round(tiling, interpret, solver, problem, state),
        state,
    )


def _surround(tiling: Tiling, planes: jax.Array) -> jax.Array:
    """Zeros around images, up to the size that is stored."""
    halo, shape = tiling.iterations, planes.shape[2:]
    after = (
        whole - side - halo
        for whole, side in zip(tiling.padded(shape), shape, strict=True)
    )
    return jnp.pad(planes, ((0, 0), (0, 0), *((halo, more) for more in after)))


def _newest(state: State) -> jax.Array:
    return jnp.where(
        state.newest[:, None, None, None] > 0, state.planes[:, 1], state.planes[:, 0]
    )


def _round(
    tiling: Tiling,
    interpret: bool,
    solver: primal_dual.Solver,
    problem: Problem,
    state: State,
) -> State:
    """A median and its iterations, for the pairs that have not settled.

    A visit does as many iterations as a tile can. If the tolerance was met inside of
    it, its result is not taken: the next visit does the right number from the same
    planes, while the other pairs go on.
    """
    going = _unsettled(solver, state)
    state = state._replace(planes=_smooth(tiling, solver, state))
    most = min(tiling.iterations, solver.iterations)

    def body(carry: tuple) -> tuple:
        state, steps, count = carry
        planes, changes = visit(
            solver, tiling, interpret, steps, state.newest, problem.planes, state.planes
        )
        met = changes <= solver.tolerance
        needed = jnp.where(jnp.any(met, 1), jnp.argmax(met, 1) + 1, steps)
        taken = (steps > 0) & (needed == steps)
        last = jnp.take_along_axis(changes, jnp.maximum(steps - 1, 0)[:, None], 1)[:, 0]
        count = count + jnp.where(taken, steps, 0)
        state = state._replace(
            planes=planes,
            newest=jnp.where(taken, 1 - state.newest, state.newest),
            change=jnp.where(taken, last, state.change),
        )
        more = jnp.minimum(most, solver.iterations - count)
        more = jnp.where(state.change > solver.tolerance, more, 0)
        return state, jnp.where(taken, more, jnp.where(steps > 0, needed, 0)), count

    steps = jnp.where(going, most, 0)
    carry = state, steps, jnp.zeros_like(steps)
    state, _, _ = lax.while_loop(lambda carry: jnp.any(carry[1] > 0), body, carry)
    return state._replace(rounds=state.rounds + going)


def _smooth(tiling: Tiling, solver: primal_dual.Solver, state: State) -> jax.Array:
    """The planes with the newest u of every pair that is going through the median."""
    halo, (height, width) = tiling.iterations, solver.shape
    inner = slice(halo, halo + height), slice(halo, halo + width)
    going = _unsettled(solver, state)
    u = _newest(state)[:, :2, *inner]
    smooth = primal_dual._choose(going, primal_dual.median(u, solver.median), u)
    return state.planes.at[np.arange(len(u)), state.newest, :2, *inner].set(smooth)


def visit(
    solver: primal_dual.Solver,
    tiling: Tiling,
    interpret: bool,
    steps: Int32[jax.Array, "n"],
    newest: Int32[jax.Array, "n"],
    problem: Float32[jax.Array, "n 4 y x"],
    planes: Padded,
) -> tuple[Padded, Float32[jax.Array, "n iterations"]]:
    """Iterates each pair `steps` times, from its newest planes into its others.

    Args:
        solver: constants.
        tiling: how the image is cut.
        interpret: instead of compiling for a GPU.
        steps: iterations of each pair, from none to those of the tiling.
        newest: set of planes to read.
        problem: see Problem.
        planes: see State.

    Returns:
        The planes, and the summed squared change of u in each iteration.
    """
    grid = len(steps), *tiling.tiles(solver.shape)
    rows, columns = tiling.outer
    if rows * columns % (_WARPGROUP * tiling.groups) or _WARPGROUP % columns:
        raise ValueError(f"{tiling}: the warpgroups cannot share {rows}x{columns}")
    lanes = np.indices((_WARPGROUP // columns, columns), np.int32)
    shape = *grid, tiling.iterations, tiling.groups, *lanes.shape[1:]
    parts = jax.ShapeDtypeStruct(shape, jnp.float32)
    tile = gpu.SMEM((10, rows + 2, columns + 2), jnp.float32)
    call = _interpreted if interpret else _on_gpu
    body = functools.partial(_kernel, solver, tiling)
    arguments = steps, newest, lanes, problem
    changes, planes = call(body, tiling, grid, parts, tile, arguments, planes)
    done = np.arange(tiling.iterations) < steps[:, None]
    changes = jnp.where(done, jnp.sum(changes, axis=(1, 2, 4, 5, 6)), jnp.inf)
    return planes, changes


def _on_gpu(
    body: Callable,
    tiling: Tiling,
    grid: tuple[int, int, int],
    parts: jax.ShapeDtypeStruct,
    tile: object,
    arguments: tuple[jax.Array, ...],
    planes: Padded,
) -> tuple[jax.Array, Padded]:
    """The kernel on Hopper, all the warpgroups of a tile in one block.

    Stores need no barriers of their own: between two that touch the same pixel from
    different threads all the threads meet.
    """
    names = "pair", "down", "across"
    barrier = gpu.Barrier(num_arrivals=tiling.groups)

    def kernel(*refs: jax.Ref) -> None:
        def scoped(tile: jax.Ref, together: jax.Ref) -> None:
            def meet() -> None:
                gpu.barrier_arrive(together)
                gpu.barrier_wait(together)

            body(
                [lax.axis_index(name) for name in (*names, "group")], meet, *refs, tile
            )

        pl.run_scoped(scoped, tile, barrier, collective_axes="group")

    held = jax.new_ref(planes, memory_space=gpu.GMEM)
    changes = pl.kernel(
        kernel,
        out_type=parts,
        mesh=gpu.Mesh(
            grid=grid, grid_names=names, num_threads=tiling.groups, thread_name="group"
        ),
        compiler_params=gpu.CompilerParams(unsafe_no_auto_barriers=True),
    )(*arguments, held)
    return changes, jax.freeze(held)


def _interpreted(
    body: Callable,
    tiling: Tiling,
    grid: tuple[int, int, int],
    parts: jax.ShapeDtypeStruct,
    tile: object,
    arguments: tuple[jax.Array, ...],
    planes: Padded,
) -> tuple[jax.Array, Padded]:
    """The same one tile after the other, with one warpgroup, which need not meet."""
    if tiling.groups > 1:
        raise ValueError(f"{tiling}: only one group can be interpreted")

    def kernel(steps, newest, lanes, problem, _, changes, planes, tile) -> None:
        place = [pl.program_id(0), pl.program_id(1), pl.program_id(2), 0]
        refs = steps, newest, lanes, problem, planes, changes, tile
        body(place, lambda: None, *refs)

    return pl.pallas_call(
        kernel,
        grid=grid,
        out_shape=(parts, jax.ShapeDtypeStruct(planes.shape, planes.dtype)),
        scratch_shapes=[tile],
        input_output_aliases={len(arguments): 1},
        interpret=True,
    )(*arguments, planes)


def _kernel(
    solver: primal_dual.Solver,
    tiling: Tiling,
    place: list[jax.Array],
    meet: Callable[[], None],
    steps: jax.Ref,
    newest: jax.Ref,
    lanes: jax.Ref,
    problem: jax.Ref,
    planes: jax.Ref,
    changes: jax.Ref,
    tile: jax.Ref,
) -> None:
    """The iterations of one tile; its warpgroups take rows in turn."""
    pair, down, across, group = place
    corner = down * tiling.inner[0], across * tiling.inner[1]
    here = newest[pair]
    lane = lanes[0], lanes[1]

    @pl.when(steps[pair] > 0)
    def _() -> None:
        _load(tiling, group, corner, planes.at[pair, here], problem.at[pair], tile)
        meet()

        def iterate(step: jax.Array, _: None) -> None:
            total = _descend(solver, tiling, group, lane, tile)
            changes[pair, down, across, step, group] = total
            meet()
            _ascend(solver, tiling, group, lane, corner, tile)
            meet()

        lax.fori_loop(0, steps[pair], iterate, None)
        _store(tiling, group, corner, tile, planes.at[pair, 1 - here])


def _rows(tiling: Tiling, group: jax.Array, body: Callable, start: object) -> object:
    """Loops over the rows of a tile, as many at a time as a warpgroup has threads for.

    `body` gets the first of the rows.
    """
    rows, columns = tiling.outer
    turns = rows * columns // (_WARPGROUP * tiling.groups)

    def turn(i: jax.Array, carry: object) -> object:
        return body((i * tiling.groups + group) * (_WARPGROUP // columns), carry)

    return lax.fori_loop(0, turns, turn, start)


def _pixels(tiling: Tiling, row: jax.Array, y: int = 0, x: int = 0) -> tuple:
    """Index of the rows from `row` on, or of their neighbours; around is a guard."""
    rows, columns = _WARPGROUP // tiling.columns, tiling.columns
    return pl.ds(row + (1 + y), rows), pl.ds(1 + x, columns)


def _load(
    tiling: Tiling,
    group: jax.Array,
    corner: tuple[jax.Array, jax.Array],
    planes: jax.Ref,
    problem: jax.Ref,
    tile: jax.Ref,
) -> None:
    """Fills the tile with u, the dual variables and the problem, in this order."""
    columns = tiling.columns
    sources = [planes.at[i] for i in range(6)] + [problem.at[i] for i in range(4)]

    def copy(row: jax.Array, _: None) -> None:
        y = pl.ds(corner[0] + row, _WARPGROUP // columns)
        values = [source[y, pl.ds(corner[1], columns)] for source in sources]
        for i, value in enumerate(values):
            tile[i, *_pixels(tiling, row)] = value

    _rows(tiling, group, copy, None)


def _store(
    tiling: Tiling,
    group: jax.Array,
    corner: tuple[jax.Array, jax.Array],
    tile: jax.Ref,
    planes: jax.Ref,
) -> None:
    """Writes the tile without its halo, each warpgroup its share of the rows."""
    halo, columns = tiling.iterations, tiling.inner[1]
    rows = tiling.rows // tiling.groups
    first = halo + group * rows
    y, x = pl.ds(corner[0] + first, rows), pl.ds(corner[1] + halo, columns)
    for i in range(6):
        planes[i, y, x] = tile[i, pl.ds(first + 1, rows), pl.ds(halo + 1, columns)]


def _descend(
    solver: primal_dual.Solver,
    tiling: Tiling,
    group: jax.Array,
    lanes: tuple[jax.Array, jax.Array],
    tile: jax.Ref,
) -> jax.Array:
    """The step on u; its squares within the halo, summed over the chunks."""
    halo, width = tiling.iterations, tiling.columns
    y, x = lanes
    inside = (x >= halo) & (x < width - halo)

    def step(row: jax.Array, total: jax.Array) -> jax.Array:
        here, left, above = (
            _pixels(tiling, row, y, x) for y, x in ((0, 0), (0, -1), (-1, 0))
        )
        u = tile[0, *here], tile[1, *here]
        slope = tile[6, *here], tile[7, *here]
        rho = tile[8, *here] + slope[0] * u[0] + slope[1] * u[1]
        pull = primal_dual._clip(-rho * tile[9, *here], solver.reach)
        counted = inside & (y + row >= halo) & (y + row < halo + tiling.rows)
        for i in range(2):
            divergence = tile[2 + i, *here] - tile[2 + i, *left]
            divergence += tile[4 + i, *here] - tile[4 + i, *above]
            move = pull * slope[i] + solver.theta * divergence
            tile[i, *here] = u[i] + move
            total += jnp.where(counted, move * move, 0.0)
        return total

    return _rows(tiling, group, step, (x * 0).astype(jnp.float32))


def _ascend(
    solver: primal_dual.Solver,
    tiling: Tiling,
    group: jax.Array,
    lanes: tuple[jax.Array, jax.Array],
    corner: tuple[jax.Array, jax.Array],
    tile: jax.Ref,
) -> None:
    """The step on the dual variables, which stay zero outside of the image."""
    height, width = solver.shape
    ascent, none = jnp.float32(solver.ascent), jnp.float32(0)
    top, x = corner[0] - tiling.iterations, lanes[1] + corner[1] - tiling.iterations
    right = jnp.where((x >= 0) & (x < width - 1), ascent, none)

    def step(row: jax.Array, _: None) -> None:
        here, beside, under = (
            _pixels(tiling, row, y, x) for y, x in ((0, 0), (0, 1), (1, 0))
        )
        y = lanes[0] + (top + row)
        below = jnp.where((y >= 0) & (y < height - 1), ascent, none)
        for i in range(2):
            u = tile[i, *here]
            u_x = (tile[i, *beside] - u) * right
            u_y = (tile[i, *under] - u) * below
            square = u_x * u_x + u_y * u_y  # Its square root, which does not lower:
            root = square * lax.rsqrt(jnp.maximum(square, _TINY))
            shrink = 1 / (1 + root)
            for plane, up in ((2 + i, u_x), (4 + i, u_y)):
                tile[plane, *here] = (tile[plane, *here] + up) * shrink

    _rows(tiling, group, step, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=pathlib.Path, help="a folder with .avi files")
    parser.add_argument("--size", default="340x256")
    parser.add_argument("--pairs", type=int, help="side by side")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bandwidth", type=float, help="of the device, in GB/s")
    every = range(len(TILINGS))
    parser.add_argument("--tilings", type=int, nargs="+", choices=every, default=every)
    options = parser.parse_args()
    device = jax.devices()[0]
    interpret = device.platform == "cpu"
    width, height = map(int, options.size.split("x"))
    print(f"{device.device_kind}, jax {jax.__version__}")
    if options.bandwidth:
        floors((height, width), options.bandwidth)
    if interpret:
        print("A processor: interpreted on 60x44 pixels, no times, only differences.")
        width, height = 60, 44
    pairs = options.pairs or (2 if interpret else 64)
    images = flows.frames(flows.sources(options.clips, 1)[0], pairs, width, height)
    tilings = [TILINGS[i] for i in options.tilings]
    if interpret:
        tilings = [one._replace(groups=1) for one in tilings]
    pace = {one: compare(images, one, interpret, options.repeats) for one in tilings}
    if not interpret:
        end_to_end(images, min(pace, key=lambda one: pace[one]), options.repeats)


def floors(shape: tuple[int, int], bandwidth: float) -> None:
    """Prints the time that the traffic of an iteration takes at least, for a pair."""
    pixels = shape[0] * shape[1]
    plain = pixels * _PLAIN_BYTES / bandwidth / 1e3
    print(f"traffic floor an iteration and pair, plain: {plain:.2f} us")
    for tiling in TILINGS:
        tiles = np.prod(tiling.tiles(shape))
        words = 10 * np.prod(tiling.outer) + 6 * np.prod(tiling.inner)
        words += tiling.iterations * tiling.groups * _WARPGROUP
        floor = 4 * words * tiles / tiling.iterations / bandwidth / 1e3
        computed = np.prod(tiling.outer) * tiles / pixels
        print(f"  {describe(tiling)}: {floor:.2f} us, {computed:.2f} times the pixels")


def describe(tiling: Tiling) -> str:
    rows, columns = tiling.outer
    return f"T={tiling.iterations}, {rows}x{columns}, {tiling.groups} warpgroups"


def compare(images: np.ndarray, tiling: Tiling, interpret: bool, repeats: int) -> float:
    """Prints an iteration's time in both forms, and how far apart their results are.

    The time is that of a long solution less that of a short one, so that what is done
    once a warp is left out. The tolerance is never met.
    """
    arguments = inner_problem(images)
    shape = images.shape[1:]
    short, long = 16, 16 + (0 if interpret else 128)
    calls = {
        (name, count): functools.partial(jax.jit(form), *arguments)
        for count in {short, long}
        for name, form in {
            "plain": functools.partial(primal_dual.solve, endless(shape, count)),
            "tiled": functools.partial(solve, tiling, interpret, endless(shape, count)),
        }.items()
    }
    found = {key: jax.tree.leaves(call()) for key, call in calls.items()}
    pairs = zip(found["plain", short], found["tiled", short], strict=True)
    u, *dual = (float(jnp.abs(a - b).max()) for a, b in pairs)
    line = f"{describe(tiling)}: apart u {u:.1e} px, dual {max(dual):.1e}"
    if interpret:
        print(line, flush=True)
        return 0.0
    seconds = clock(calls, repeats)
    pace = {
        name: (seconds[name, long] - seconds[name, short]) / (long - short)
        for name in ("plain", "tiled")
    }
    line += "".join(f"; {name} {1e6 * pace[name]:.1f} us" for name in pace)
    print(f"{line}: {pace['plain'] / pace['tiled']:.2f}x", flush=True)
    return pace["tiled"]


def inner_problem(images: np.ndarray) -> tuple:
    """Flow, dual variables, slope and residual of the first warp of each pair."""
    grey = jnp.asarray(images, jnp.float32)
    before, after = grey[:-1], grey[1:]
    slope = jnp.stack(tvl1._gradient(after), axis=1)
    u = jnp.zeros_like(slope)
    return u, primal_dual.still(u), slope, after - before


def endless(shape: tuple[int, int], iterations: int) -> primal_dual.Solver:
    """One round of that many iterations without a median, whatever the change."""
    solver = tvl1._solver(tvl1.Parameters(), shape)
    return solver._replace(
        rounds=1, iterations=iterations, median=1, tolerance=np.float32(-1)
    )


def end_to_end(images: np.ndarray, tiling: Tiling, repeats: int) -> None:
    """Prints the pairs a second of tvl1.flow with both inner solvers."""
    first, second = images[:-1], images[1:]
    forms = {
        "plain": primal_dual.solve,
        "tiled": functools.partial(solve, tiling, False),
    }
    calls = {name: flow_with(form, first, second) for name, form in forms.items()}
    found = {name: np.asarray(call()) for name, call in calls.items()}
    distance = np.linalg.norm(found["plain"] - found["tiled"], axis=-1).mean()
    rates = {name: len(first) / time for name, time in clock(calls, repeats).items()}
    line = ", ".join(f"{name} {rate:.1f} pairs/s" for name, rate in rates.items())
    print(f"tvl1.flow, {describe(tiling)}: {line}, apart {distance:.4f} px")


def flow_with(
    form: Callable,
    first: np.ndarray,
    second: np.ndarray,
    parameters: tvl1.Parameters = tvl1.PRESETS["default"],
) -> Callable[[], jax.Array]:
    """tvl1.flow of all the pairs together, with `form` in place of the inner solver."""

    def flow(first: jax.Array, second: jax.Array) -> jax.Array:
        with mock.patch.object(primal_dual, "solve", form):
            return tvl1.flow.__wrapped__(first, second, parameters, len(first))

    return functools.partial(jax.jit(flow), first, second)


def clock(calls: dict, repeats: int) -> dict:
    """Median seconds of each call, one of each in turn."""
    seconds: dict = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            started = time.perf_counter()
            jax.block_until_ready(call())
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


if __name__ == "__main__":
    main()
