"""The mapped step: many devices and processes draw, average and update as one does."""

import functools
import os
import pathlib
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stpn_jax import parallel
from stpn_jax.train import step

ROOT = pathlib.Path(__file__).resolve().parents[2]
VARIANTS = [
    "spatial/frozen/0/6",
    "temporal/trained/0/6",
    "smooth/frozen/0/6",
    "pyramid/frozen/0/2",
]
WHOLE = "smooth/frozen/0/6"
ACCUMULATED = ["smooth/frozen/0/2", "smooth/frozen/8/2"]
SECONDS = 240


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory):
    """Those of a number of devices are made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("xla")))
        # Compiling takes longest.
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "True")
        yield


def start(path, devices, variants, *distributed):
    flags = f"--xla_force_host_platform_device_count={devices}"
    script = "tests/train/steps_on_devices.py"
    return subprocess.Popen(
        [sys.executable, script, str(path), *variants, *map(str, distributed)],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
    )


def finish(*processes):
    try:
        assert [process.wait(SECONDS) for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            process.kill()


def check(found, expected, variant="", other=None):
    """Compares numbers in parts of the largest value of their tensor.

    All but few are within rounding. A unit whose input is zero but for rounding may be
    on in one run and off in the other, which moves its bias by a thousandth and what
    lies before it by less; which one it is depends on the processor.
    """
    names = [name for name in expected if name.startswith(variant)]
    assert names
    differences = [
        np.abs(found[name.replace(variant, other or variant, 1)] - expected[name])
        / max(np.abs(expected[name]).max(), 1e-3)
        for name in names
    ]
    flat = np.concatenate([difference.ravel() for difference in differences])
    assert np.quantile(flat, 0.999) < 1e-5
    assert flat.max() < 1e-2


def test_replicas_share_means_and_whole_numbers():
    """float32 would round video 16777217, and a sum of several dtypes is several."""
    values = np.array([[-1, 2**24 + 1], [2**31 - 1, 0], [65535, 65536]], np.int32)
    rng = np.random.default_rng(0)
    made = lambda *shape: rng.normal(size=(3, *shape)).astype(np.float32)  # noqa: E731
    gradients = {"a": made(4, 5), "b": made(7), "c": made(), "d": made(2, 3)}
    others = [made(6), made(2, 2), np.float32([1, 2, 6])]
    share = jax.vmap(step._share, axis_name=parallel.AXIS)
    *found, norm, rest, gathered = share(gradients, others, values)
    expected = jax.tree.map(lambda x: x.mean(0, np.float64), (gradients, others))
    near = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)
    for one in range(3):
        mine = jax.tree.map(lambda x: x[one], (*found, rest))  # noqa: B023
        jax.tree.map(near, mine, expected)
    np.testing.assert_array_equal(rest[2], np.float32([3, 3, 3]))
    squares = sum((x**2).sum() for x in expected[0].values())
    np.testing.assert_allclose(norm, [squares**0.5] * 3, rtol=1e-6)
    assert gathered.dtype == np.int32
    np.testing.assert_array_equal(gathered, [values.ravel()] * 3)


def test_smoothed_labels():
    logits = np.random.default_rng(0).normal(size=(4, 5))
    target = 0.7 * np.eye(5)[[3, 0, 4, 4]] + 0.3 / 5
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    found = step.cross_entropy(
        jnp.float32(logits), jnp.int32([3, 0, 4, 4]), smoothing=0.3
    )
    np.testing.assert_allclose(found, -(target * logs).sum(1), rtol=1e-5)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    path = tmp_path_factory.mktemp("one") / "one.npz"
    finish(start(path, 1, [*VARIANTS, *ACCUMULATED]))
    return dict(np.load(path))


@pytest.mark.slow
def test_eight_devices_equal_one(tmp_path, one):
    finish(start(tmp_path / "eight.npz", 8, VARIANTS))
    eight = dict(np.load(tmp_path / "eight.npz"))
    for variant in VARIANTS:
        assert np.isfinite(one[f"{variant} loss"])
        check(eight, one, variant)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path, one):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    path = tmp_path / "two.npz"
    variants = VARIANTS[1:3]  # One with statistics of all, and the pyramid.
    finish(*(start(path, 2, variants, address, 2, index) for index in range(2)))
    two = dict(np.load(path))
    for variant in variants:
        check(two, one, variant)


@pytest.mark.slow
def test_a_run_moves_from_eight_devices_to_one_and_back(tmp_path, one, monkeypatch):
    monkeypatch.setenv("CHECKPOINTS", str(tmp_path / "checkpoints"))
    network = WHOLE.removesuffix("/6")
    for devices, steps in ((8, 2), (1, 4), (8, 6)):
        path = tmp_path / f"{steps}.npz"
        finish(start(path, devices, [f"{network}/{steps}"]))
    check(dict(np.load(path)), one, WHOLE)


@pytest.mark.slow
def test_accumulated_gradients_are_those_of_the_whole_batch(one):
    check(one, one, *ACCUMULATED)
