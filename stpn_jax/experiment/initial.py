"""What a stage starts from (section 4.1): earlier stages or ImageNet weights."""

from collections.abc import Iterable, Mapping
from typing import Any

from etils import epath
from flax import linen as nn

from stpn_jax import checkpoint, weights
from stpn_jax.config import StageConfig
from stpn_jax.errors import UsageError
from stpn_jax.experiment import setup, workdir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.models import networks
from stpn_jax.weights import graft

STREAMS = ("spatial", "temporal")
Variables = dict[str, Any]


def initial_variables(experiment: Experiment, stage: StageConfig) -> Variables:
    """Fresh variables with their streams taken from where the stage says.

    That is the stages of `stage.init`; without any, the checkpoint of --init_from;
    without that, the ImageNet weights of the config.
    """
    network: nn.Module = setup.build_network(experiment, stage, training=False)
    batch = setup.example_batch(experiment, stage)
    seed = setup.stage_seed(experiment.config, stage)
    variables = networks.initialise(network, batch, seed)
    if stage.init:
        folders = [experiment.directory / name for name in stage.init]
        return take_streams(variables, {str(f): restore(f) for f in folders})
    if experiment.init_from:
        source = {experiment.init_from: restore(experiment.init_from)}
        return take_streams(variables, source)
    return pretrained(experiment, variables)


def take_streams(variables: Variables, sources: Mapping[str, Variables]) -> Variables:
    """Fills each stream of a network from the first source that has it.

    Args:
        variables: fresh variables of a network.
        sources: variables by the name of their folder.

    Raises:
        UsageError: if no source has one of the streams, or one does not fit.
    """
    for stream in streams_of(variables):
        name = next((n for n, s in sources.items() if stream in s["params"]), None)
        if name is None:
            raise UsageError(f"{', '.join(sources)}: no {stream} stream to start from")
        taken = {kind: sources[name][kind][stream] for kind in weights.COLLECTIONS}
        variables = replace_stream(variables, stream, taken, name)
    return variables


def pretrained(experiment: Experiment, variables: Variables) -> Variables:
    """Puts ImageNet weights into the streams; flow gets an inflated first layer."""
    model = experiment.config.model
    if model.weights == "none":
        return variables
    channels = {"spatial": 3, "temporal": 2 * experiment.config.data.flow_length}
    for stream in streams_of(variables):
        loaded = weights.load(model.backbone, model.weights, channels[stream])
        taken = {kind: {"backbone": tree} for kind, tree in loaded.items()}
        variables = replace_stream(variables, stream, taken, model.weights)
    return variables


def streams_of(variables: Variables) -> Iterable[str]:
    """The streams a network has."""
    return [stream for stream in STREAMS if stream in variables["params"]]


def replace_stream(
    variables: Variables, stream: str, new: Variables, source: str
) -> Variables:
    """Puts new params and batch_stats in the place of a stream's, all or none."""
    old = {kind: variables[kind][stream] for kind in weights.COLLECTIONS}
    fitted = graft.graft(old, new, source)
    return variables | {
        kind: variables[kind] | {stream: fitted[kind]} for kind in weights.COLLECTIONS
    }


def restore(folder: epath.PathLike) -> Variables:
    """Variables of a stage's folder or of a folder of checkpoints."""
    inner = workdir.checkpoints(epath.Path(folder))
    return checkpoint.restore_variables(inner if inner.exists() else folder)
