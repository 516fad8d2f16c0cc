"""Devices and hosts: mapped steps, sharding, sums over hosts, preemption."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from stpn_jax.arrays import AnyBatch
from stpn_jax.utils.errors import UsageError

AXIS = "data"


def map_update(
    step: Callable[..., Any], devices: Sequence[jax.Device] | None = None
) -> Callable[..., Any]:
    """Maps (state, batch from shard) -> (state, metrics) over the devices.

    The state is one plain tree outside and replicated inside; its buffers are donated.
    """
    return jax.pmap(
        step,
        AXIS,
        in_axes=(None, 0),
        out_axes=(None, None),
        donate_argnums=0,
        devices=devices,
    )


def map_forward(step: Callable[..., Any]) -> Callable[..., Any]:
    """Maps (variables, batch) -> per-sample values over the devices."""
    return jax.pmap(step, AXIS, in_axes=(None, 0))


def replicate(tree: Any) -> Any:
    """Puts a tree on all devices of this host, as map_update returns it.

    Otherwise it is copied for every batch, and the second update compiles again.
    """
    mesh = jax.sharding.Mesh(np.array(jax.local_devices()), (AXIS,))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.device_put(tree, everywhere)


def check_batch(size: int, name: str, devices: int = 0) -> None:
    """Raises UsageError, with sizes that fit, if devices cannot share a batch.

    By default they are those of this run.
    """
    devices = devices or jax.device_count()
    if size % devices:
        lower = size - size % devices
        fitting = " or ".join(str(n) for n in (lower, lower + devices) if n)
        raise UsageError(
            f"{name} = {size} cannot be shared by {devices} devices; {fitting} can"
        )


def shard(batch: AnyBatch) -> AnyBatch:
    """Adds the leading axis of local devices to a host's share of a batch."""
    devices = jax.local_device_count()
    return jax.tree.map(
        lambda x: x.reshape(devices, len(x) // devices, *x.shape[1:]), batch
    )


def host() -> tuple[int, int]:
    """Index of this host and their number."""
    return jax.process_index(), jax.process_count()


def is_first_host() -> bool:
    """Whether this process logs and writes files."""
    return jax.process_index() == 0


def who() -> str:
    """Names this process among several, to begin a line with."""
    index, count = host()
    return f"process {index} of {count}: " if count > 1 else ""


def sum_over_hosts(values: np.ndarray) -> np.ndarray:
    """Element-wise sum of each host's array, the same on all hosts."""
    if jax.process_count() == 1:
        return values
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(values)).sum(axis=0)
