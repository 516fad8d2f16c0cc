"""The order of one stage: batches, updates, metrics, validation, checkpoints."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from etils import epath

from stpn_jax import parallel, preemption
from stpn_jax.arrays import AnyBatch
from stpn_jax.config import RunConfig, StageConfig
from stpn_jax.train.checkpoint import Checkpoints
from stpn_jax.train.logging import MetricsLog
from stpn_jax.train.step import TrainState
from stpn_jax.utils.errors import PreemptedError

Update = Callable[[TrainState, AnyBatch], tuple[TrainState, dict[str, jax.Array]]]

# A trace begins after these updates of a process: the first one compiles, and the
# second one shows whether it compiles again.
UNTRACED, TRACED = 2, 5
PRINTED = 2  # first updates of a process that are always printed: they show it runs


def run(
    state: TrainState,
    update: Update,
    batches: Iterator[AnyBatch],
    *,
    stage: StageConfig,
    config: RunConfig,
    directory: epath.PathLike,
    checkpoints: Checkpoints,
    validate: Callable[[TrainState], float | None],
    names: Sequence[str] = (),
    profile: bool = False,
) -> TrainState:
    """Trains from state.step to stage.steps; without steps, saves the state as it is.

    The state is saved when due, after each validation, at the end and on SIGTERM. The
    batches are this host's, from state.step on. `validate` gives the score of a state,
    None without validation videos. `profile` traces some updates. Metrics and the trace
    go to the stage's directory; `names` are those of the videos, for messages.

    Raises:
        UsageError: a metric of an update is not finite; the message names the step and
            the clips. The last checkpoint stays.
        PreemptedError: after SIGTERM, with the state saved.
    """
    first = int(state.step)
    with contextlib.ExitStack() as stack:
        ends_with = stack.enter_context(preemption.caught())
        log = stack.enter_context(MetricsLog(directory, stage, first, names))
        trace = stack.enter_context(contextlib.ExitStack())
        for step in range(first + 1, stage.steps + 1):
            if profile and step == first + UNTRACED + 1:
                trace.enter_context(_traced(epath.Path(directory) / "profile"))
            with jax.profiler.StepTraceAnnotation("update", step_num=step):
                state, values = update(state, parallel.shard(next(batches)))
            if step == first + UNTRACED + TRACED:
                trace.close()
            log.add(values)
            is_last, ends = step == stage.steps, ends_with(step)
            logs = is_last or _is_due(step, config.log_every)
            validates = is_last or (_is_due(step, config.validate_every) and not ends)
            saves = validates or ends or _is_due(step, config.checkpoint_every)
            prints = logs or step <= first + PRINTED
            if prints or saves:
                log.check(step)
            if prints:
                log.print(step)
            score = None
            if validates:
                with log.paused():
                    score = validate(state)
            if logs or score is not None:
                log.write(step, score)
            if saves:
                checkpoints.save(step, state.variables, _progress(state), score)
            if ends:
                checkpoints.wait()  # While another SIGTERM is still caught.
                raise PreemptedError(f"ended by SIGTERM at {stage.name} {step}, saved")
        if not stage.steps:
            checkpoints.save(0, state.variables, _progress(state))
    return state


def resume(state: TrainState, checkpoints: Checkpoints) -> TrainState:
    """The newest checkpoint, or the fresh state where there is none."""
    if checkpoints.latest_step() is None:
        return state
    variables, progress = checkpoints.restore(state.variables, _progress(state))
    if "params" in progress:
        variables["average"] = variables.pop("params")
    return TrainState(**variables, **progress)


@contextlib.contextmanager
def _traced(folder: epath.Path) -> Iterator[None]:
    """Traces the host and its devices, for TensorBoard and ui.perfetto.dev."""
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # Calls of Python would bury the rest.
    jax.profiler.start_trace(
        folder, create_perfetto_trace=True, profiler_options=options
    )
    try:
        yield
    finally:
        # An update is only begun when it returns; its end belongs to the trace.
        for device in jax.local_devices():
            jax.device_put(0, device).block_until_ready()
        jax.profiler.stop_trace()
        print(f"trace of some updates: {folder}", flush=True)


def _progress(state: TrainState) -> dict[str, Any]:
    """What resuming needs beside the variables, which have the averaged parameters."""
    own = {} if state.average is None else {"params": state.params}
    return {"step": state.step, "opt_state": state.opt_state} | own


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
