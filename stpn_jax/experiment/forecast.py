"""About how much time, memory and disk a run will take, said before it starts.

Rough on purpose: the arithmetic is counted exactly, the speed is that of one matrix
product scaled by what training reaches of it. The true rate is printed as it runs.
"""

import datetime
import time
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from stpn_jax.arrays import AnyBatch
from stpn_jax.config import StageConfig
from stpn_jax.experiment import feature_cache, setup
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import sampling

# Of a matrix product's speed, on two CPU cores: the demo's network reaches about half,
# EfficientNet-Lite0 about a quarter.
TRAINING_EFFICIENCY = 0.3
# A backward pass costs about two forward passes.
PASSES = 3
MATRIX_SIDE = 1024
# Python, JAX, compiled programs and the batches that are ready.
RUNTIME_GIGABYTES = 1.0


def describe(experiment: Experiment) -> str:
    """What the run is going to do and what that takes."""
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
        operations, maps, size = _count(experiment, stage)
        seconds += PASSES * operations * stage.steps / rate
        memory = max(memory, maps / jax.device_count() + 4 * size)
        disk += 2 * size * (config.run.checkpoints + 1)  # The best one is kept.
        disk += feature_cache.bytes_of(experiment, stage)
        lines.append(_describe_stage(experiment, stage, size))
    lines.append(
        f"{duration(seconds)} of training (the rate is printed as it runs), "
        f"{memory / 1e9 + RUNTIME_GIGABYTES:.1f} GB of memory, "
        f"{disk / 1e9:.2f} GB of disk"
    )
    return "\n".join([*lines, f"workdir {epath.Path(experiment.directory)}"])


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
    """Operations of a forward pass, bytes of its maps, bytes of the parameters."""
    network = setup.build_network(experiment, stage, training=False)
    batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((stage.batch, *x.shape[1:]), x.dtype),
        setup.example_batch(experiment, stage),
    )
    variables = jax.eval_shape(network.init, jax.random.key(0), batch)
    if stage.cached_views:
        batch = feature_cache.maps_of(experiment, stage, variables, batch)

    def forward(variables: dict, batch: AnyBatch) -> tuple[Any, Any]:
        # The captured outputs of all modules are what the backward pass keeps.
        return network.apply(
            variables, batch, mutable=["intermediates"], capture_intermediates=True
        )

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
