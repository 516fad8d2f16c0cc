"""The order of one stage: batches, updates, metrics, validation, checkpoints."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from stpn_jax import parallel
from stpn_jax.arrays import Batch
from stpn_jax.checkpoint import Checkpoints
from stpn_jax.config import RunConfig, StageConfig
from stpn_jax.errors import PreemptedError, UsageError
from stpn_jax.train import console, metrics
from stpn_jax.train.state import TrainState
from stpn_jax.train.step import NOT_FINITE

Update = Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]


def run(
    state: TrainState,
    update: Update,
    batches: Iterator[Batch],
    *,
    stage: StageConfig,
    config: RunConfig,
    directory: Any,
    checkpoints: Checkpoints,
    validate: Callable[[TrainState], dict[str, float]],
    names: Sequence[str] = (),
) -> TrainState:
    """Trains from state.step to stage.steps; without steps, saves what there is.

    The metrics of all updates are looked at, but fetched from the devices only when
    some are due: nothing waits for them in between.

    Args:
        state: where to go on.
        update: the mapped step.
        batches: this host's batches from state.step on.
        stage: its length.
        config: how often to log, validate and save.
        directory: for the metrics.
        checkpoints: where the state is saved, at the end in any case.
        validate: scores of a state on the validation part.
        names: of the videos, for messages.

    Raises:
        UsageError: if the loss of an update is not finite; it names the step and the
            clips, and the last checkpoint stays.
        PreemptedError: after SIGTERM, with the state saved.
    """
    first = int(state.step)
    progress = console.Progress(stage.name, first, stage.steps, stage.batch)
    with contextlib.ExitStack() as stack:
        ends_with = stack.enter_context(parallel.preemption())
        writer = None
        if parallel.is_first_host():
            writer = metrics.MetricsWriter(directory, first)
            stack.callback(writer.close)
        pending: list[dict[str, jax.Array]] = []
        for step in range(first + 1, stage.steps + 1):
            state, values = update(state, parallel.shard(next(batches)))
            pending.append(values)
            is_last = step == stage.steps
            ends = ends_with(step)
            saves = is_last or ends or _due(step, config.checkpoint_every)
            logs = is_last or _due(step, config.log_every)
            row: dict[str, float] = {}
            if logs or saves or step <= first + 2:
                fetched = _fetch(pending, stage, step, names)
                pending = []
                if logs or step <= first + 2:
                    fetched |= progress.report(step, fetched)
                row = fetched if logs else {}
            if is_last or (_due(step, config.validate_every) and not ends):
                started = time.monotonic()
                row |= validate(state)
                progress.skip(time.monotonic() - started)
            if saves:
                checkpoints.save(step, state.variables, _progress(state))
            if writer and row:
                writer.write(step, row)
            if ends:
                checkpoints.wait()
                raise PreemptedError(f"ended by SIGTERM at {stage.name} {step}, saved")
        if not stage.steps:
            checkpoints.save(0, state.variables, _progress(state))
    return state


def resume(state: TrainState, checkpoints: Checkpoints) -> TrainState:
    """The newest checkpoint, or the fresh state where there is none."""
    if checkpoints.latest_step() is None:
        return state
    variables, progress = checkpoints.restore(state.variables, _progress(state))
    return TrainState(**variables, **progress)


def _progress(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state}


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _fetch(
    pending: Sequence[dict[str, jax.Array]],
    stage: StageConfig,
    step: int,
    names: Sequence[str],
) -> dict[str, float]:
    """The metrics of the last of some updates, all of which must be finite.

    Args:
        pending: metrics of consecutive updates on the devices.
        stage: for the message.
        step: number of the last one.
        names: of the videos.
    """
    first = step - len(pending) + 1
    row: dict[str, float] = {}
    for number, values in enumerate(jax.device_get(pending), first):
        videos = values.pop(NOT_FINITE, np.zeros(0, np.int32))
        row = {name: float(value) for name, value in values.items()}
        wrong = [name for name, value in row.items() if not math.isfinite(value)]
        if wrong:
            clips = [names[video] for video in np.unique(videos[videos >= 0])]
            named = f" (clips: {', '.join(clips)})" if clips else ""
            raise UsageError(
                f"stage {stage.name}: {wrong[0]} is {row[wrong[0]]} at step {number}"
                f"{named}; the last checkpoint is kept; lower learning_rate or clip"
            )
    return row
