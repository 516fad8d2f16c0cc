"""What the benchmarks share: clocks, floors of the device, and what was measured on."""

import datetime
import importlib.metadata
import platform
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
    """Operations a second of a square matrix product as the models run them."""
    x = jnp.ones((side, side), dtype)
    product = jax.jit(jnp.dot)
    call = {"": lambda: jax.block_until_ready(product(x, x))}
    return 2 * side**3 / clock(call, 5)[""]
