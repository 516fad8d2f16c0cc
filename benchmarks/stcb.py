"""STCB, ours and torch's index_add + rfft in one run: milliseconds, and the floor.

    python -m benchmarks.stcb --bandwidth=4800

Forward, and forward with the gradients of all pathways, in float32. On an accelerator
(or with --forms) the forms that a sketch could have stand below, since each platform
has its own fastest. The floor is
what reading the inputs and writing the results takes, or the operations of the Fourier
transforms, if that is more; beside it is the traffic when every sketch and every
spectrum goes through memory once. Without torch there are only our figures.
"""

import argparse
import functools
import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure
from stpn_jax.ops import compact_bilinear, count_sketch


class Problem(NamedTuple):
    """Pathways [n c], their sketches, and the slope [n d] that is sent back."""

    pathways: list[np.ndarray]
    sketches: list[count_sketch.Sketch]
    slope: np.ndarray


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--locations", type=int, default=1568, help="32 maps of 7x7")
    parser.add_argument("--channels", type=int, default=1024)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--pathways", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--bandwidth", type=float, help="of the device, in GB/s")
    parser.add_argument("--peak", type=float, help="of the device, in GFLOP/s, float32")
    parser.add_argument("--forms", action="store_true", help="all forms of a sketch")
    parser.add_argument("--no_compile", action="store_true", help="no torch.compile")
    options = parser.parse_args(arguments)
    print(measure.environment())
    forms = FORMS if options.forms or jax.devices()[0].platform != "cpu" else {}
    device = [
        options.bandwidth or measure.bandwidth() / 1e9,
        options.peak or measure.peak_flops() / 1e9,
    ]
    print("{:.0f} GB/s, {:.0f} GFLOP/s".format(*device))
    for count in options.pathways:
        problem = sample(count, options.locations, options.channels, options.width)
        floors(problem, *device)
        compare(problem, forms, options.repeats, not options.no_compile)


def sample(count: int, locations: int, channels: int, width: int) -> Problem:
    rng = np.random.default_rng(0)
    normal = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    return Problem(
        [normal(locations, channels) for _ in range(count)],
        [count_sketch.sample((0, i), channels, width) for i in range(count)],
        normal(locations, width),
    )


def floors(problem: Problem, bandwidth: float, peak: float) -> None:
    """Prints what the device needs at least, in ms."""
    m, (locations, width) = len(problem.pathways), problem.slope.shape
    inputs = 4 * sum(x.size for x in problem.pathways)
    result, transform = (
        4 * locations * width,
        2.5 * locations * width * math.log2(width),
    )
    for name, outside, transforms in (
        ("forward", inputs + result, m + 1),
        ("with gradients", 2 * (inputs + result), 2 * (m + 1)),
    ):
        least = max(outside / bandwidth, transforms * transform / peak) / 1e6
        # A transform reads one array of this size and writes another.
        whole = (outside + 4 * transforms * result) / bandwidth / 1e6
        print(f"m = {m}, {name}: floor {least:.3f} ms, through memory {whole:.3f} ms")


def compare(
    problem: Problem, forms: dict[str, Callable], repeats: int, compile_torch: bool
) -> None:
    """Prints milliseconds of all, and how many times as fast as torch's ours is."""
    calls = {}
    for name, form in ({"ours": count_sketch.project} | forms).items():
        calls[name, "forward"], calls[name, "with gradients"] = ours(problem, form)
    if importlib.util.find_spec("torch"):
        from benchmarks import torch_stcb

        ways = ["torch"] + ["torch.compile"] * compile_torch
        for name in ways:
            compiled = name == "torch.compile"
            for what, call in torch_stcb.calls(problem, compiled).items():
                calls[name, what] = call
        expected = calls["torch", "with gradients"]()
        print(f"apart {apart(calls['ours', 'with gradients'](), expected):.1e}")
    seconds = measure.clock(calls, repeats, settle=2)
    for (name, what), time in seconds.items():
        line = f"  {what:14s} {name:20s} {1e3 * time:8.3f} ms"
        for torch in ("torch", "torch.compile"):
            if name == "ours" and (torch, what) in seconds:
                line += f", {seconds[torch, what] / time:.2f}x {torch}"
        print(line, flush=True)


def ours(problem: Problem, form: Callable) -> tuple[Callable, Callable]:
    """Forward, and with gradients, by a form of the sketch."""
    width = problem.slope.shape[1]
    pathways, sketches, slope = jax.device_put(tuple(problem))

    def forward(pathways: list, sketches: list) -> jax.Array:
        with mock.patch.object(count_sketch, "project", form):
            return compact_bilinear.compact_bilinear(pathways, sketches, width)

    def both(pathways: list, sketches: list, slope: jax.Array) -> list:
        back = functools.partial(forward, sketches=sketches)
        product, pull = jax.vjp(back, pathways)
        return [product, *pull(slope)[0]]

    first, second = jax.jit(forward), jax.jit(both)
    return (
        lambda: jax.block_until_ready(first(pathways, sketches)),
        lambda: jax.block_until_ready(second(pathways, sketches, slope)),
    )


def apart(found: Sequence, expected: Sequence) -> float:
    """The largest difference in parts of the largest value of its array."""
    pairs = [
        (np.asarray(x), np.asarray(y.cpu()))
        for x, y in zip(found, expected, strict=True)
    ]
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in pairs)


def _scatter(x: jax.Array, sketch: count_sketch.Sketch, width: int) -> jax.Array:
    signed = x * jnp.asarray(sketch.s, jnp.float32)
    return jnp.zeros((len(x), width)).at[:, sketch.h].add(signed)


def _in_float32(x: jax.Array, sketch: count_sketch.Sketch, width: int) -> jax.Array:
    matrix = count_sketch.scatter_matrix(sketch, width)
    return jnp.dot(x, matrix, precision=jax.lax.Precision.HIGHEST)


FORMS = {
    "segment_sum": count_sketch._by_segment_sum,
    "scatter": _scatter,
    "matmul": count_sketch._by_matmul,
    "matmul in float32": _in_float32,
}


if __name__ == "__main__":
    main()
