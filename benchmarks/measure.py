"""What the benchmarks share: clocks, floors of the device, and what was measured on."""

import argparse
import datetime
import importlib.metadata
import pathlib
import platform
import tempfile
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np


def environment() -> str:
    """Date, device and versions."""
    libraries = [f"{name} {version(name)}" for name in ("jax", "flax", "torch")]
    device = jax.devices()[0]
    kind = f"{platform.machine()} CPU" if device.platform == "cpu" else ""
    python = f"Python {platform.python_version()}"
    parts = [str(datetime.date.today()), kind or device.device_kind, *libraries, python]
    return ", ".join(parts)


def version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def clock(
    calls: Mapping[str, Callable], repeats: int, settle: int = 0
) -> dict[str, float]:
    """Median seconds of each call, one of each in turn, after one that is not counted.

    Args:
        calls: each returns when its work is done.
        repeats: of which the median is taken.
        settle: calls that are not counted before every one that is. Short ones need
            them: threads of the library before it still spin, and memory is cold.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            for _ in range(settle):
                call()
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def kernels(call: Callable, steps: int = 5) -> str:
    """Says how long the kernels of a call take on a GPU, by JAX's profiler."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(steps):
                call()
        (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
        found = jax.profiler.ProfileData.from_file(str(path))
        events = [
            event.duration_ns / 1e9
            for plane in found.planes
            if plane.name.startswith("/device:GPU")
            for line in plane.lines
            if line.name.startswith("Stream")
            for event in line.events
        ]
    return describe_kernels(len(events) / steps, sum(events) / steps)


def describe_kernels(count: float, seconds: float) -> str:
    if not count:
        return "no kernels of a GPU were seen"
    return f"{count:.0f} kernels take {1e3 * seconds:.2f} ms on the device"


def bandwidth(megabytes: int = 256) -> float:
    """Bytes a second that a device reads and writes, by an addition in place."""
    add = jax.jit(lambda x: x + 1, donate_argnums=0)
    x = add(jnp.zeros(megabytes * 2**18, jnp.float32))
    seconds = []
    for _ in range(9):
        jax.block_until_ready(x)
        started = time.perf_counter()
        x = jax.block_until_ready(add(x))
        seconds.append(time.perf_counter() - started)
    return 2 * x.nbytes / float(np.median(seconds))


def peak_flops(dtype: str = "float32", side: int = 4096) -> float:
    """Operations a second of square matrix products as the models run them.

    An accelerator does many, one after the other: a single one ends before its clock
    is up, and takes less than its call.
    """
    count = 1 if jax.default_backend() == "cpu" else 50
    x = jnp.eye(side, dtype=dtype)
    products = jax.jit(lambda x: jax.lax.fori_loop(0, count, lambda _, y: y @ x, x))
    call = {"": lambda: jax.block_until_ready(products(x))}
    return count * 2 * side**3 / clock(call, 5)[""]


def main() -> None:
    """Prints what is measured on, and what it can do."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--side", type=int, default=4096, help="of the matrices")
    side = parser.parse_args().side
    print(environment(), flush=True)
    rates = [f"{bandwidth() / 1e9:.0f} GB/s"]
    for dtype in ("bfloat16", "float32"):
        rates.append(f"{peak_flops(dtype, side) / 1e12:.2f} TFLOP/s in {dtype}")
    print(", ".join(rates))


if __name__ == "__main__":
    main()
