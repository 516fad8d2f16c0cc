"""TPUs that are not there: their devices for the compiler, and their data sheets."""

import os
from typing import NamedTuple

import jax
from jax.experimental import topologies

from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError

EXAMPLES = "v5e:2x4, v4:2x2x1, v5p:2x2x2, v6e:2x4, v5e:16x16"


class Chip(NamedTuple):
    """A kind of TPU.

    Attributes:
        memory: bytes.
        bandwidth: of the memory, bytes per second.
        peak: operations per second in bfloat16, dense.
        clock: cycles per second.
        link: bytes per second to all neighbours, one way.
    """

    memory: float
    bandwidth: float
    peak: float
    clock: float
    link: float


CHIPS = {
    "v4": Chip(32 * 2**30, 1.228e12, 275e12, 1.05e9, 300e9),
    "v5e": Chip(16 * 2**30, 0.819e12, 197e12, 1.5e9, 200e9),
    "v5p": Chip(95 * 2**30, 2.765e12, 459e12, 1.75e9, 600e9),
    "v6e": Chip(32 * 2**30, 1.64e12, 918e12, 1.75e9, 400e9),
}
# What libtpu would otherwise ask the machine, and complain about.
_ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
}


def devices(topology: str) -> list[jax.Device]:
    """Devices of a topology such as v5e:2x4, to compile for.

    Raises:
        UsageError: there is no such topology.
        ModuleNotFoundError: the extra with the compiler is not installed.
    """
    errors.require("libtpu")
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    jax.config.update("jax_platforms", "cpu")
    kind = topology.partition(":")[0]
    if kind not in CHIPS:
        raise UsageError(f"{topology}: no such topology; such as {EXAMPLES}")
    try:
        found = topologies.get_topology_desc(topology_name=topology, platform="tpu")
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{topology}: {reason}; such as {EXAMPLES}") from error
    return list(found.devices)
