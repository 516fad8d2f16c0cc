"""Joins the processes of one run, found by flags or the cluster's environment.

It comes before anything touches a device. A cluster that is not known here can set the
three JAX_ variables, or give the three flags, for each of its processes.
"""

import os
from collections.abc import Mapping
from typing import NamedTuple

import jax

from stpn_jax.utils.errors import UsageError

HEARTBEAT_SECONDS = 30  # A process that is silent for so long ends all the others.
CONNECT_SECONDS = 300

_ADDRESS, _COUNT = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES"
_INDEX = "JAX_PROCESS_ID"
_COMPLETION_INDEX = "JOB_COMPLETION_INDEX"  # Kubernetes sets it for an indexed job.


class Place(NamedTuple):
    """This process among others; what is None, JAX finds from the cluster."""

    kind: str  # of the cluster, as JAX names it, or "given"
    address: str | None = None  # host:port of process 0
    processes: int | None = None  # their number
    process: int | None = None  # which of them this is


def find(
    environ: Mapping[str, str],
    address: str = "",
    count: int = 0,
    index: int | None = None,
) -> Place | None:
    """The place of this process, None if it is alone; the flags come first.

    Raises:
        UsageError: a flag or a variable is missing or wrong.
    """
    address = address or environ.get(_ADDRESS, "")
    if address or count or index is not None or _COUNT in environ:
        variable = _COMPLETION_INDEX if _COMPLETION_INDEX in environ else _INDEX
        index = _number(environ, variable) if index is None else index
        return _given(address, count or _number(environ, _COUNT), index)
    if _is_many(environ, "SLURM_NTASKS") and "SLURM_STEP_NODELIST" in environ:
        return Place("slurm")
    if _is_many(environ, "OMPI_COMM_WORLD_SIZE"):
        return Place("ompi")
    if "," in environ.get("TPU_WORKER_HOSTNAMES", ""):
        return Place("gketpu")
    if environ.get("TPU_ACCELERATOR_TYPE") and "TPU_SKIP_MDS_QUERY" not in environ:
        return Place("gcetpu")  # One host or many: its metadata server knows.
    return None


def join(address: str, count: int, index: int | None) -> None:
    """Connects to the other processes, if `find` finds any.

    Raises:
        UsageError: as of `find`, or they are not there after CONNECT_SECONDS.
    """
    if not (place := find(os.environ, address, count, index)):
        return
    try:
        jax.distributed.initialize(
            place.address,
            place.processes,
            place.process,
            cluster_detection_method=None if place.address else place.kind,
            initialization_timeout=CONNECT_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"process {place.process} of {place.processes} cannot connect to the "
            f"others at {place.address} ({place.kind}): {reason}"
        ) from error


def _given(address: str, count: int, index: int) -> Place:
    if not address.rpartition(":")[2].isdecimal() or ":" not in address:
        raise UsageError(
            f"--coordinator={address}: expected host:port of process 0, from the flag "
            f"or {_ADDRESS}"
        )
    if not 0 <= index < count:
        raise UsageError(
            f"--process_id={index} of --num_processes={count}: expected a number from "
            "0 to one less than their number"
        )
    return Place("given", address, count, index)


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    if not text.isdecimal():
        raise UsageError(
            f"{name} = {text!r}: a number is expected, from that variable or the flags "
            "--num_processes and --process_id"
        )
    return int(text)


def _is_many(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "")
    return text.isdecimal() and int(text) > 1
