"""What a stage starts from (section 4.1): earlier stages or ImageNet weights."""

from collections.abc import Mapping

import jax
from etils import epath
from flax import linen as nn

from stpn_jax.config import StageConfig
from stpn_jax.experiment import parts, pretrained, run_dir, selection, setup
from stpn_jax.experiment.parts import Variables
from stpn_jax.experiment.setup import Experiment
from stpn_jax.models import build
from stpn_jax.models.maps import Streams
from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import formats, own, source


def initial_variables(experiment: Experiment, stage: StageConfig) -> Variables:
    """Fresh variables with their streams taken from where the stage says.

    That is the stages of `stage.init`; without any, the checkpoint of --init_from;
    without that, the weights of the config.
    """
    network: nn.Module = setup.build_network(experiment, stage, training=False)
    batch = setup.example_batch(experiment, stage)
    seed = setup.stage_seed(experiment.config, stage)
    if stage.init or experiment.init_from or experiment.config.model.weights != "none":
        streams = Streams(setup.make_settings(experiment, stage, training=False))
        variables = build.initialise_levels(network, streams, batch, seed)
    else:
        variables = build.initialise(network, batch, seed)
    variables, notes = _fill(experiment, stage, variables)
    run_dir.write_weights(experiment.folder(stage), notes)
    return variables


def check(experiment: Experiment) -> None:
    """Tries the weights of every single stream that is not begun, before any trains.

    Raises:
        UsageError: a file, or the checkpoint of --init_from, does not fit.
    """
    for stage in (one for one in experiment.config.stages if one.is_single_stream):
        folder = run_dir.checkpoints(experiment.folder(stage))
        if checkpoint.newest_step(folder) is None:
            network = setup.build_network(experiment, stage, training=False)
            batch = setup.example_batch(experiment, stage)
            shapes = jax.eval_shape(network.init, jax.random.key(0), batch)
            _fill(experiment, stage, {"batch_stats": {}} | dict(shapes))


def _fill(
    experiment: Experiment, stage: StageConfig, variables: Variables
) -> tuple[Variables, pretrained.Notes]:
    """Fresh variables, or their shapes, filled from where the stage starts."""
    earlier = [one for one in experiment.config.stages if one.name in stage.init]
    sources = {
        str(experiment.folder(one)): selection.restore(experiment, one)
        for one in earlier
    }
    if experiment.init_from and not sources:
        sources = {experiment.init_from: restore(experiment.init_from)}
    if sources:
        variables = take_streams(variables, sources)
    return pretrained.fill(experiment.config, stage, variables, streams=not sources)


def take_streams(variables: Variables, sources: Mapping[str, Variables]) -> Variables:
    """Fills each stream of a network from the first source that has it.

    Args:
        variables: fresh variables of a network.
        sources: variables by the name of their folder.

    Raises:
        UsageError: if no source has one of the streams, or one does not fit.
    """
    for stream in parts.streams(variables):
        name = next((n for n, s in sources.items() if stream in s["params"]), None)
        if name is None:
            raise UsageError(f"{', '.join(sources)}: no {stream} stream to start from")
        taken = parts.get(sources[name], (stream,))
        variables = parts.replace(variables, (stream,), taken, name)
    return variables


def restore(folder: epath.PathLike) -> Variables:
    """The newest variables of a stage's folder, of one of checkpoints, or of a file."""
    if formats.is_known(folder) and not epath.Path(folder).is_dir():
        return own.read(source.locate(str(folder)))
    inner = run_dir.checkpoints(epath.Path(folder))
    return checkpoint.restore_variables(inner if inner.exists() else folder)
