"""A loss that is not finite stops the run and leaves the last checkpoint."""

import dataclasses
import gzip
import os
import signal

import jax.numpy as jnp
import numpy as np
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax import preemption
from stpn_jax.arrays import Batch
from stpn_jax.train import logging, loop, step
from stpn_jax.train.checkpoint import Checkpoints, best_step
from stpn_jax.train.logging import VALIDATION
from stpn_jax.train.step import TrainState
from stpn_jax.utils.errors import PreemptedError, UsageError

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


def run(
    tmp_path, first, loss_at, validate=lambda s: float(s.step), profile=False, **values
):
    checkpoints = Checkpoints(tmp_path / "checkpoints", RUN.checkpoints)

    def update(current, _):
        step = int(current.step) + 1
        found = {name: value(step) for name, value in values.items()}
        return state(step), {"loss": jnp.float32(loss_at(step))} | found

    try:
        return loop.run(
            first,
            update,
            batches(),
            stage=STAGE,
            config=RUN,
            directory=tmp_path,
            checkpoints=checkpoints,
            validate=validate,
            profile=profile,
            names=("a.avi", "b.avi", "c.avi"),
        )
    finally:
        checkpoints.close()


def test_records_are_written_when_due(tmp_path):
    last = run(tmp_path, state(), lambda step: 1 / step)
    assert int(last.step) == 6
    records = logging.read(tmp_path)
    assert [one["step"] for one in records] == [2, 3, 4, 6]
    assert [one[VALIDATION] for one in records if VALIDATION in one] == [3, 6]


@pytest.mark.parametrize(
    "broken", [b'{"step": 3, "lo\n', b'{"step": 3', b"\0\0\n", b"\xff\n"]
)
def test_a_broken_last_line_is_ignored_and_another_one_named(tmp_path, broken):
    whole = b'{"step": 2}\n'
    (tmp_path / logging.JSON_LINES).write_bytes(whole + broken)
    assert logging.read(tmp_path) == [{"step": 2}]
    (tmp_path / logging.JSON_LINES).write_bytes(broken.strip() + b"\n" + whole)
    with pytest.raises(UsageError, match=r"metrics\.jsonl: line 1 is not JSON"):
        logging.read(tmp_path)


def test_records_after_the_resumed_step_are_dropped(tmp_path):
    run(tmp_path, state(), lambda step: 1.0)
    run(tmp_path, state(2), lambda step: 2.0)
    records = logging.read(tmp_path)
    assert [one["step"] for one in records] == [2, 3, 4, 6]
    assert [one.get("loss") for one in records] == [1, 2, 2, 2]


def test_a_loss_that_is_not_finite_stops(tmp_path):
    with pytest.raises(UsageError, match=r"loss is nan at step 4"):
        run(tmp_path, state(), lambda step: np.nan if step > 3 else 1.0)
    assert Checkpoints(tmp_path / "checkpoints", 3).latest_step() == 3


def test_clips_of_a_loss_that_is_not_finite_are_named(tmp_path):
    def videos(step):
        return np.array([-1, 2, 2, 1] if step == 3 else [-1] * 4)

    with pytest.raises(UsageError, match=r"step 3 \(clips: b.avi, c.avi\)"):
        run(tmp_path, state(), lambda n: np.inf if n == 3 else 1.0, not_finite=videos)


@pytest.mark.parametrize("last", [3, 6])
def test_sigterm_saves_the_step_and_ends(tmp_path, last):
    def loss_at(step):
        if step == last:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(PreemptedError, match=f"{last}, saved"):
        run(tmp_path, state(), loss_at)
    assert signal.getsignal(signal.SIGTERM) is before
    checkpoints = Checkpoints(tmp_path / "checkpoints", 3)
    assert checkpoints.latest_step() == last
    checkpoints.close()
    assert logging.read(tmp_path)


def test_a_late_sigterm_is_not_lost():
    with pytest.raises(PreemptedError), preemption.caught() as ends_with:
        assert not ends_with(1)
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_was_validated_is_saved_with_its_score(tmp_path):
    run(tmp_path, state(), lambda step: 1.0)
    assert best_step(tmp_path / "checkpoints") == (6, 6.0)
    run(
        tmp_path / "falling",
        state(),
        lambda step: 1.0,
        validate=lambda s: -float(s.step),
    )
    assert best_step(tmp_path / "falling" / "checkpoints") == (3, -3.0)


def test_averaged_parameters_are_saved_beside_those_that_training_resumes(tmp_path):
    """By hand: an update adds 1; the first two averages are of rates 0.1 and 2/11."""
    current = dataclasses.replace(state(), average=state().params)
    for _ in range(2):
        moved = state(int(current.step) + 1)
        average = step._averaged(current, moved.params, 0.5)
        current = dataclasses.replace(moved, average=average)
    first = 0.1 * 0 + 0.9 * 1
    expected = np.full(2, 2 / 11 * first + 9 / 11 * 2)
    np.testing.assert_allclose(current.variables["params"]["w"], expected)
    checkpoints = Checkpoints(tmp_path / "checkpoints", 1)
    checkpoints.save(2, current.variables, loop._progress(current))
    found = loop.resume(current, checkpoints)
    checkpoints.close()
    np.testing.assert_array_equal(found.params["w"], [2, 2])
    np.testing.assert_allclose(found.average["w"], expected)


def test_a_trace_is_written_on_request(tmp_path, capsys):
    run(tmp_path, state(), lambda step: 1.0, profile=True)
    traces = list((tmp_path / "profile").rglob("perfetto_trace.json.gz"))
    assert len(traces) == 1
    text = gzip.decompress(traces[0].read_bytes()).decode()
    assert [f'"step_num": "{n}"' in text for n in (2, 3, 6)] == [False, True, True]
    assert str(tmp_path / "profile") in capsys.readouterr().out
