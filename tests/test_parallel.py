"""Devices: batches that do not divide are rejected; updates compile once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax import parallel
from stpn_jax.utils.errors import UsageError


def test_a_batch_that_does_not_divide_names_sizes_that_do(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    with pytest.raises(UsageError, match=r"batch = 12 .* 8 devices; 8 or 16 can"):
        parallel.check_batch(12, "batch")
    parallel.check_batch(16, "batch")


def test_updates_compile_once():
    traces = []

    def step(state, batch):
        traces.append(1)
        total = jax.lax.psum(batch.sum(), parallel.AXIS)
        return state + total, {"total": total}

    update = parallel.map_update(step)
    state = parallel.replicate(jnp.zeros(3))
    batch = np.ones((jax.local_device_count(), 2), np.float32)
    for _ in range(3):
        state, values = update(state, batch)
    assert float(values["total"]) == 2 * jax.device_count()
    assert len(traces) == 1


def test_one_host_sums_to_its_own_values():
    values = np.arange(3.0)
    assert parallel.sum_over_hosts(values) is values
    assert parallel.host() == (0, 1) and parallel.is_first_host()
