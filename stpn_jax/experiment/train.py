"""The stages in order, each from where it stopped, then one test."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from stpn_jax import parallel
from stpn_jax.arrays import AnyBatch
from stpn_jax.config import StageConfig
from stpn_jax.experiment import (
    evaluate,
    feature_cache,
    forecast,
    initialize,
    run_dir,
    selection,
    setup,
)
from stpn_jax.experiment import report as reporting
from stpn_jax.experiment.parts import Variables
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import batching
from stpn_jax.train import checkpoint, loop, optimizer, state, step
from stpn_jax.utils import locks


def train(
    experiment: Experiment,
    profile: bool = False,
    boxes: reporting.Boxes | None = None,
    report: bool = True,
) -> None:
    """A forecast; the stages in order, each from where it stopped; a test, a report.

    Args:
        experiment: what to train.
        profile: write a trace of some updates of each stage.
        boxes: that the report compares the attention with, by video and frame.
        report: whether there is to be one, and the forecast; of a run among many, which
            share their streams, nobody reads them.

    Raises:
        UsageError: for what the stages cannot start from, or be chosen by.
    """
    initialize.check(experiment)
    selection.check(experiment)
    feature_cache.check(experiment)
    setup.claim(experiment)
    if report:
        print(forecast.describe(experiment), flush=True)
    for stage in experiment.config.stages:
        train_stage(experiment, stage, profile)
    is_tested = run_dir.is_tested(experiment.directory)
    if not is_tested:
        evaluate.evaluate(experiment, again=False)
    is_told = is_tested and (experiment.directory / run_dir.PAGE).exists()
    if report and not is_told:
        reporting.attempt(experiment, boxes or {})
    run_dir.print_files(experiment.directory)


def train_stage(
    experiment: Experiment, stage: StageConfig, profile: bool = False
) -> None:
    """Trains one stage, or does nothing if its last checkpoint is there.

    Of several runs that share a stream one trains it, and the others wait.
    """
    directory = experiment.folder(stage)
    with contextlib.ExitStack() as stack:
        if directory.parent != experiment.directory and parallel.host()[1] == 1:
            directory.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.turn(directory))
        _train_stage(experiment, stage, profile)


def _train_stage(experiment: Experiment, stage: StageConfig, profile: bool) -> None:
    config = experiment.config
    directory = experiment.folder(stage)
    checkpoints = checkpoint.Checkpoints(
        run_dir.checkpoints(directory), config.run.checkpoints
    )
    try:
        if checkpoints.latest_step() == stage.steps:
            print(f"[{stage.name}] finished before", flush=True)
            return
        run_dir.forget_scores(directory)
        network = setup.build_network(experiment, stage)
        variables = initialize.initial_variables(experiment, stage)
        transform = optimizer.make(stage, variables["params"])
        factors = optimizer.multipliers(stage.rate_rules, variables["params"])
        update = step.make_train_step(
            network, transform, factors, config.seed, config.run.device_batch
        )
        first = loop.resume(state.create(variables, transform), checkpoints)
        loop.run(
            parallel.replicate(first),
            parallel.map_update(update),
            train_batches(experiment, stage, variables, int(first.step)),
            stage=stage,
            config=config.run,
            directory=directory,
            checkpoints=checkpoints,
            validate=make_validation(experiment, stage),
            names=experiment.dataset.names,
            profile=profile,
        )
    finally:
        checkpoints.close()


def train_batches(
    experiment: Experiment, stage: StageConfig, variables: Variables, first: int
) -> Iterator[AnyBatch]:
    """This host's training batches from step `first` on.

    Args:
        experiment: whose data they are.
        stage: that sees them.
        variables: of its network, for what frozen streams make of them.
        first: steps done before.
    """
    if stage.cached_views:
        return feature_cache.train_batches(experiment, stage, variables, first)
    host, hosts = parallel.host()
    return batching.train_batches(
        experiment.dataset,
        experiment.videos(stage),
        experiment.config.data,
        setup.snippet_shape(experiment.config, stage, frames=1),
        batch=stage.batch,
        seed=setup.stage_seed(experiment.config, stage),
        start_step=first,
        stop_step=stage.steps,
        host=host,
        hosts=hosts,
    )


def make_validation(
    experiment: Experiment, stage: StageConfig
) -> Callable[[state.TrainState], float | None]:
    """Mean class accuracy on the validation part: one snippet, one view a video."""
    quick = dataclasses.replace(
        experiment.config.evaluation, snippets=1, views=1, centres="even"
    )
    seen = experiment.videos(stage)
    videos = np.setdiff1d(experiment.split.validation, seen)
    forward = evaluate.make_forward(experiment, stage)

    def validate(current: state.TrainState) -> float | None:
        if not len(videos):
            return None
        probabilities = evaluate.score(
            experiment, stage, forward, current.variables, videos, quick
        )
        metrics = evaluate.measure(experiment, probabilities, videos)
        print(
            f"[{stage.name}] validation: mean class accuracy "
            f"{100 * metrics.mean_class_accuracy:.1f} %",
            flush=True,
        )
        return metrics.mean_class_accuracy

    return validate
