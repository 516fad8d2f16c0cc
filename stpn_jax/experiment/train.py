"""Trains the stages in order, each from where it stopped, then tests and reports."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from stpn_jax import parallel
from stpn_jax.arrays import AnyBatch
from stpn_jax.config import StageConfig
from stpn_jax.evaluation.attention_share import Boxes
from stpn_jax.experiment import (
    checkpoint_selection,
    evaluate,
    initialize,
    report_attempt,
    run_dir,
    setup,
    stage_batches,
)
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import sampling
from stpn_jax.train import checkpoint, loop, optimizer, step
from stpn_jax.utils import locks
from stpn_jax.utils.errors import UsageError


def train(
    experiment: Experiment,
    profile: bool = False,
    boxes: Boxes | None = None,
    report: bool = True,
) -> None:
    """Prints a forecast, trains the stages, tests the networks, writes the report.

    With `profile`, a trace of some updates of each stage is written. The report
    compares the attention with the boxes; without `report`, it and the forecast are
    left out.

    Raises:
        UsageError: the stages cannot start or their checkpoints cannot be selected.
    """
    initialize.check_weights(experiment)
    check_rates(experiment)
    checkpoint_selection.check(experiment)
    stage_batches.check(experiment)
    run_dir.register(experiment)
    if report:
        print(forecast(experiment), flush=True)
    for stage in experiment.config.stages:
        train_stage(experiment, stage, profile)
    was_tested = run_dir.is_tested(experiment.directory)
    if not was_tested:
        evaluate.evaluate(experiment, again=False)
    if report and not (was_tested and (experiment.directory / run_dir.PAGE).exists()):
        report_attempt.attempt(experiment, boxes or {})
    run_dir.print_files(experiment.directory)


def check_rates(experiment: Experiment) -> None:
    """Checks the learning rates of stages not yet begun, before any stage trains.

    Raises:
        UsageError: a rule of a stage's lr_multipliers fits none of its parameters.
    """
    for stage in (one for one in experiment.config.stages if one.lr_multipliers):
        if checkpoint.newest_step(run_dir.checkpoints(experiment.folder(stage))):
            continue
        params = setup.variable_shapes(experiment, stage)["params"]
        try:
            optimizer.lr_multipliers(stage.lr_multipliers, params)
        except UsageError as error:
            field = f"config.stages.{stage.name}.lr_multipliers"
            backbone = experiment.config.model.backbone
            raise UsageError(
                f"{field}: {error} of the {stage.network} network on {backbone}; "
                f"leave that rule out, or all with --{field}='()'"
            ) from error


def train_stage(
    experiment: Experiment, stage: StageConfig, profile: bool = False
) -> None:
    """Trains one stage, unless its last checkpoint is there.

    Of several runs that share a stream one trains it, and the others wait.
    """
    directory = experiment.folder(stage)
    with contextlib.ExitStack() as stack:
        if directory.parent != experiment.directory and parallel.host()[1] == 1:
            directory.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.turn(directory))
        keep = experiment.config.run.checkpoints
        checkpoints = checkpoint.Checkpoints(run_dir.checkpoints(directory), keep)
        stack.callback(checkpoints.close)
        if checkpoints.latest_step() == stage.steps:
            print(f"[{stage.name}] finished before", flush=True)
            return
        if parallel.is_first_host():  # They were those of a shorter training.
            (directory / run_dir.SCORES).unlink(missing_ok=True)
        _train_stage(experiment, stage, checkpoints, profile)


def _train_stage(
    experiment: Experiment,
    stage: StageConfig,
    checkpoints: checkpoint.Checkpoints,
    profile: bool,
) -> None:
    config = experiment.config
    variables = initialize.initial_variables(experiment, stage)
    transform, update = make_update(experiment, stage, variables["params"])
    fresh = step.initial_state(variables, transform, stage.averaging > 0)
    first = loop.resume(fresh, checkpoints)
    loop.run(
        parallel.replicate(first),
        parallel.map_update(update),
        stage_batches.train_batches(experiment, stage, variables, int(first.step)),
        stage=stage,
        config=config.run,
        directory=experiment.folder(stage),
        checkpoints=checkpoints,
        validate=make_validation(experiment, stage),
        names=experiment.dataset.names,
        profile=profile,
    )


def make_update(
    experiment: Experiment, stage: StageConfig, params: Any
) -> tuple[optax.GradientTransformation, Callable[..., Any]]:
    """The optimizer of a stage, and the update of one replica; see step.

    The parameters can be shapes.
    """
    config = experiment.config
    network = setup.build_network(experiment, stage)
    transform = optimizer.make(stage, params)
    factors = optimizer.lr_multipliers(stage.rate_rules, params)
    update = step.make_train_step(
        network,
        transform,
        factors,
        config.seed,
        config.run.microbatch_size,
        stage.label_smoothing,
        stage.averaging,
    )
    return transform, update


def make_validation(
    experiment: Experiment, stage: StageConfig
) -> Callable[[step.TrainState], float | None]:
    """Mean class accuracy on the validation part, by one snippet and crop a video."""
    quick = dataclasses.replace(
        experiment.config.evaluation, snippets=1, crops=1, centres="even"
    )
    videos = np.setdiff1d(experiment.split.validation, experiment.videos(stage))
    score = evaluate.make_scorer(experiment, stage, videos, quick)

    def validate(current: step.TrainState) -> float | None:
        if not len(videos):
            return None
        metrics = evaluate.measure(experiment, score(current.variables), videos)
        accuracy = metrics.mean_class_accuracy
        line = f"validation: mean class accuracy {100 * accuracy:.1f} %"
        print(f"[{stage.name}] {line}", flush=True)
        return accuracy

    return validate


# Share of a matrix product's speed that training reaches. Measured on two CPU cores:
# the demo's network about half, EfficientNet-Lite0 about a quarter.
TRAINING_EFFICIENCY = 0.3
# A backward pass costs about two forward passes.
PASSES = 3
MATRIX_SIDE = 1024
# Python, JAX, compiled programs and prefetched batches.
RUNTIME_GIGABYTES = 1.0


def forecast(experiment: Experiment) -> str:
    """What the run will do, and the time, memory and disk that it takes."""
    config, split = experiment.config, experiment.split
    lines = [
        f"{config.data.dataset} split {config.data.split}: "
        f"{len(experiment.dataset.meta.classes)} classes, {len(split.train)} training, "
        f"{len(split.validation)} validation, {len(split.test)} test videos",
        f"backbone {config.model.backbone}, weights {config.model.weights}, "
        f"{jax.device_count()} x {jax.devices()[0].device_kind}",
    ]
    rate = _matmul_flops_per_second() * TRAINING_EFFICIENCY * jax.device_count()
    seconds, memory, disk = 0.0, 0.0, 0
    for stage in config.stages:
        operations, kept, parameters = _count(experiment, stage)
        once = stage_batches.operations_of(experiment, stage)
        seconds += (PASSES * operations * stage.steps + once) / rate
        averages = stage.averaging > 0
        memory = max(memory, kept / jax.device_count() + (4 + averages) * parameters)
        # The best one is kept.
        disk += (2 + averages) * parameters * (config.run.checkpoints + 1)
        disk += stage_batches.bytes_of(experiment, stage)
        lines.append(_describe_stage(experiment, stage, parameters))
    lines.append(
        f"{duration(seconds)} of training without compiling (its rate follows), "
        f"{memory / 1e9 + RUNTIME_GIGABYTES:.1f} GB of memory, "
        f"{disk / 1e9:.2f} GB of disk"
    )
    return "\n".join([*lines, f"workdir {experiment.directory}"])


def duration(seconds: float) -> str:
    """In words, to ten seconds."""
    rounded = round(seconds / 10) * 10
    if not rounded:
        return "under 10 seconds"
    return f"roughly {datetime.timedelta(seconds=rounded)}"


def _describe_stage(experiment: Experiment, stage: StageConfig, size: int) -> str:
    train = experiment.videos(stage)
    passes = stage.steps * stage.batch / max(len(train), 1)
    shape = setup.snippet_shape(experiment.config, stage, frames=1)
    frames = experiment.dataset.num_frames[train].tolist()
    short = sampling.too_short(frames, shape)
    cut = f"; tau is cut for {short} clips that are too short for it" if short else ""
    return (
        f"stage {stage.name}: {stage.steps} steps of {stage.batch} snippets = "
        f"{passes:.0f} passes, {size / 4e6:.2f} M parameters{cut}"
    )


def _count(experiment: Experiment, stage: StageConfig) -> tuple[float, int, int]:
    """Operations of a forward pass, bytes of activations, bytes of parameters."""
    network = setup.build_network(experiment, stage, training=False)
    batch = stage_batches.batch_shapes(experiment, stage, stage.batch)

    def forward(variables: dict, batch: AnyBatch) -> tuple[Any, Any]:
        # The backward pass keeps about the outputs of all modules, captured here.
        return network.apply(
            variables, batch, mutable=["intermediates"], capture_intermediates=True
        )

    variables = setup.variable_shapes(experiment, stage)
    traced = jax.jit(forward).trace(variables, batch)
    cost = traced.lower().cost_analysis() or {}
    _, captured = traced.out_info
    return cost.get("flops", 0.0), _bytes(captured), _bytes(variables["params"])


def _bytes(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _matmul_flops_per_second() -> float:
    matrix = jnp.ones((MATRIX_SIDE, MATRIX_SIDE))
    product = jax.jit(jnp.dot)
    product(matrix, matrix).block_until_ready()
    started = time.perf_counter()
    product(matrix, matrix).block_until_ready()
    return 2 * MATRIX_SIDE**3 / (time.perf_counter() - started)
