"""The mapped step: four devices draw, average and update as one does."""

import os
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def updated(devices, path):
    flags = f"--xla_force_host_platform_device_count={devices}"
    subprocess.run(
        [sys.executable, "tests/train/steps_on_devices.py", path],
        check=True,
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
    )
    return np.load(path)


def test_four_devices_equal_one(tmp_path):
    one, four = (updated(n, tmp_path / f"{n}.npz") for n in (1, 4))
    assert np.isfinite(one["loss"])
    for name in one.files:
        scale = max(np.abs(one[name]).max(), 1e-3)
        np.testing.assert_allclose(four[name], one[name], atol=1e-4 * scale)
