"""TPUs that are not there: their devices for the compiler, and their data sheets."""

import importlib.metadata
import math
import os
import re
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError

EXAMPLES = "v5e:2x4, v5e:16x16, v4:2x2x1, v4:4x4x4, v5p:2x2x2, v6e:2x4"
SOURCE = "https://cloud.google.com/tpu/docs/"


class Chip(NamedTuple):
    """A kind of TPU by its data sheet, SOURCE with its name.

    Attributes:
        memory: GiB that the compiler lets a program use, as it says itself: less than
            the data sheet's 32, 16, 95 and 32.
        bandwidth: of the memory, GB/s.
        peak: TFLOP/s in bfloat16, dense.
        units: matrix units.
        side: of a matrix unit.
        link: GB/s of one port, one way.
    """

    memory: float
    bandwidth: float
    peak: float
    units: int
    side: int
    link: float

    @property
    def clock(self) -> float:
        """GHz at which the matrix units reach the peak.

        v4's is 1.05 in Jouppi et al. 2023 (arXiv:2304.01433), too. Google's page on
        v6e has said both 2 and 4 units; 2 would make it 3.5 GHz.
        """
        return self.peak * 1e3 / (2 * self.units * self.side**2)


# The links: 300 GB/s over six ports (the paper on v4), 400, 1200 and 800 GB/s both ways
# over four, six and four.
CHIPS = {
    "v4": Chip(30.75, 1200, 275, 8, 128, 50),
    "v5e": Chip(15.75, 819, 197, 4, 128, 50),
    "v5p": Chip(95.74, 2765, 459, 8, 128, 100),
    "v6e": Chip(31.25, 1600, 918, 4, 256, 100),
}
_SIDE, _ANY = "([1-9]|1[0-6])", "[1-9][0-9]*"
_TOPOLOGY = rf"(v5e|v6e):{_SIDE}x{_SIDE}|(v4|v5p):{_ANY}x{_ANY}x{_ANY}"
# So that libtpu does not ask the network what machine this is, and two may compile.
_ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
}
# The stacks in which it compiles are too small for programs for v6e (libtpu 0.0.42).
_STACK = "--fibers_default_thread_stack_size=268435456"


def devices(topology: str) -> list[jax.Device]:
    """Devices of a topology such as v5e:2x4, to compile for; this process uses the CPU.

    Raises:
        UsageError: there is no such topology.
        ModuleNotFoundError: the extra with the compiler is not installed.
    """
    if not re.fullmatch(_TOPOLOGY, topology):
        raise UsageError(
            f"--topology={topology}: expected one such as {EXAMPLES}; the sides of v5e "
            "and v6e are two, up to 16, those of v4 and v5p are three"
        )
    errors.require("libtpu")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    given = os.environ.get("LIBTPU_INIT_ARGS", "")
    if "fibers_default_thread_stack_size" not in given:
        os.environ["LIBTPU_INIT_ARGS"] = f"{given} {_STACK}".strip()
    jax.config.update("jax_platforms", "cpu")
    try:
        found = topologies.get_topology_desc(
            topology_name=topology, platform="tpu", **_options(topology)
        )
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"--topology={topology}: {reason}; expected one such as {EXAMPLES}"
        ) from error
    return list(found.devices)


def compiler() -> str:
    """The version of the library that compiles."""
    return importlib.metadata.version("libtpu")


def _options(topology: str) -> dict[str, Any]:
    """A chip of v4 is one device; up to eight chips of v5e and v6e have one host."""
    kind, _, sides = topology.partition(":")
    shape = tuple(map(int, sides.split("x")))
    if kind == "v4":
        return {"chip_config_name": "megacore"}
    if kind in ("v5e", "v6e") and math.prod(shape) <= 8:
        return {"chips_per_host_bounds": (*shape, 1)}
    return {}


def chip(topology: str) -> Chip:
    """The data sheet of a topology's chips."""
    return CHIPS[topology.partition(":")[0]]
