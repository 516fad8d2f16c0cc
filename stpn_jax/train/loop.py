"""The order of one stage: batches, updates, metrics, validation, checkpoints."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax

from stpn_jax import parallel
from stpn_jax.arrays import AnyBatch
from stpn_jax.config import RunConfig, StageConfig
from stpn_jax.train.checkpoint import Checkpoints
from stpn_jax.train.logging import Journal
from stpn_jax.train.profiling import Trace
from stpn_jax.train.state import TrainState
from stpn_jax.utils.errors import PreemptedError

Update = Callable[[TrainState, AnyBatch], tuple[TrainState, dict[str, jax.Array]]]


def run(
    state: TrainState,
    update: Update,
    batches: Iterator[AnyBatch],
    *,
    stage: StageConfig,
    config: RunConfig,
    directory: Any,
    checkpoints: Checkpoints,
    validate: Callable[[TrainState], float | None],
    names: Sequence[str] = (),
    profile: bool = False,
) -> TrainState:
    """Trains from state.step to stage.steps; without steps, saves what there is.

    The metrics of all updates are looked at, but fetched from the devices only when
    some are due: nothing waits for them in between. What was validated is saved.

    Args:
        state: where to go on.
        update: the mapped step.
        batches: this host's batches from state.step on.
        stage: its length.
        config: how often to log, validate and save.
        directory: for the metrics.
        checkpoints: where the state is saved, at the end in any case.
        validate: score of a state on the validation part, None if there is none.
        names: of the videos, for messages.
        profile: write a trace of some updates.

    Raises:
        UsageError: if the loss of an update is not finite; it names the step and the
            clips, and the last checkpoint stays.
        PreemptedError: after SIGTERM, with the state saved.
    """
    first = int(state.step)
    with contextlib.ExitStack() as stack:
        ends_with = stack.enter_context(parallel.preemption())
        journal = stack.enter_context(Journal(directory, stage, first, names))
        trace = stack.enter_context(Trace(directory, first, profile))
        for step in range(first + 1, stage.steps + 1):
            with trace.of_step(step):
                state, values = update(state, parallel.shard(next(batches)))
            journal.add(values)
            is_last, ends = step == stage.steps, ends_with(step)
            logs = is_last or _due(step, config.log_every)
            validates = is_last or (_due(step, config.validate_every) and not ends)
            saves = validates or ends or _due(step, config.checkpoint_every)
            if logs or saves or journal.is_early(step):
                journal.check(step, prints=logs or journal.is_early(step))
            score = None
            if validates:
                with journal.paused():
                    score = validate(state)
            if logs or score is not None:
                journal.write(step, score)
            if saves:
                checkpoints.save(step, state.variables, _progress(state), score)
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
