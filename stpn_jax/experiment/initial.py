"""The variables a stage starts from: earlier stages, a checkpoint or ImageNet weights."""

from typing import Any

from etils import epath
from flax import linen as nn

from stpn_jax import checkpoint, weights
from stpn_jax.config import StageConfig
from stpn_jax.experiment import setup, workdir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.models import networks
from stpn_jax.train import stages


def initial_variables(
    experiment: Experiment, stage: StageConfig, network: nn.Module
) -> dict[str, Any]:
    """Fresh variables with their streams taken from where the stage says."""
    batch = setup.example_batch(experiment, stage)
    seed = setup.stage_seed(experiment.config, stage)
    variables = networks.initialise(
        setup.build_network(experiment, stage, training=False), batch, seed
    )
    if stage.init:
        folders = [experiment.directory / name for name in stage.init]
        return stages.take_streams(variables, map(restore, folders))
    if experiment.init_from:
        return stages.take_streams(variables, [restore(experiment.init_from)])
    return pretrained(experiment, variables)


def pretrained(experiment: Experiment, variables: dict[str, Any]) -> dict[str, Any]:
    """Puts ImageNet weights into the streams; flow gets an inflated first layer."""
    model = experiment.config.model
    if model.weights == "none":
        return variables
    channels = {"spatial": 3, "temporal": 2 * experiment.config.data.flow_length}
    for stream in stages.streams_of(variables):
        loaded = weights.load(model.backbone, model.weights, channels[stream])
        variables = stages.replace_stream(
            variables, stream, {name: {"backbone": tree} for name, tree in loaded.items()}
        )
    return variables


def restore(folder: epath.PathLike) -> dict[str, Any]:
    """Variables of a stage's folder or of a folder of checkpoints."""
    inner = workdir.checkpoints(epath.Path(folder))
    return checkpoint.restore_variables(inner if inner.exists() else folder)
