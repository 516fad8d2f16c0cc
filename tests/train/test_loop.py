"""A loss that is not finite stops the run and leaves the last checkpoint."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax.arrays import Batch
from stpn_jax.checkpoint import Checkpoints
from stpn_jax.errors import UsageError
from stpn_jax.train import loop, metrics
from stpn_jax.train.state import TrainState

CONFIG = configs.from_config_dict(demo.get_config())
STAGE = dataclasses.replace(CONFIG.stages[0], steps=6, batch=2)
RUN = dataclasses.replace(
    CONFIG.run, log_every=2, validate_every=3, checkpoint_every=2, checkpoints=3
)


def state(step=0):
    params = {"w": np.full(2, step, np.float32)}
    return TrainState(np.array(step, np.int32), params, {}, {}, ())


def batches():
    empty = np.zeros((2, 0), np.uint8)
    while True:
        yield Batch(empty, empty, empty, empty, np.zeros(2), empty, empty)


def run(tmp_path, first, loss_at):
    checkpoints = Checkpoints(tmp_path / "checkpoints", RUN.checkpoints)

    def update(current, _):
        step = int(current.step) + 1
        return state(step), {"loss": jnp.float32(loss_at(step))}

    try:
        return loop.run(
            first,
            update,
            batches(),
            stage=STAGE,
            config=RUN,
            directory=tmp_path,
            checkpoints=checkpoints,
            validate=lambda current: {"validation": float(current.step)},
        )
    finally:
        checkpoints.close()


def test_rows_are_written_when_due(tmp_path):
    last = run(tmp_path, state(), lambda step: 1 / step)
    assert int(last.step) == 6
    rows = metrics.read(tmp_path)
    assert [row["step"] for row in rows] == [2, 3, 4, 6]
    assert [row["validation"] for row in rows if "validation" in row] == [3, 6]


def test_rows_after_the_resumed_step_are_dropped(tmp_path):
    run(tmp_path, state(), lambda step: 1.0)
    run(tmp_path, state(2), lambda step: 2.0)
    rows = metrics.read(tmp_path)
    assert [row["step"] for row in rows] == [2, 3, 4, 6]
    assert [row.get("loss") for row in rows] == [1, None, 2, 2]


def test_a_loss_that_is_not_finite_stops(tmp_path):
    with pytest.raises(UsageError, match=r"loss is nan at step 4"):
        run(tmp_path, state(), lambda step: np.nan if step > 3 else 1.0)
    assert Checkpoints(tmp_path / "checkpoints", 3).latest_step() == 2
