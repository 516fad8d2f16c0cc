"""What a stage starts from (section 4.1): earlier stages or ImageNet weights."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath
from flax import linen as nn

from stpn_jax import weights
from stpn_jax.config import Config, ModelConfig, StageConfig
from stpn_jax.experiment import run_dir, setup
from stpn_jax.experiment.setup import Experiment
from stpn_jax.models import backbones, build
from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import assign, formats, own, source

Variables = dict[str, Any]
Notes = dict[str, dict[str, Any]]
STREAMS = ("spatial", "temporal")
LINEAR = "dense"


def initial_variables(experiment: Experiment, stage: StageConfig) -> Variables:
    """Fresh variables with their streams taken from where the stage says.

    That is the stages of `stage.init`; without any, the checkpoint of --init_from;
    without that, the weights of the config.
    """
    network: nn.Module = setup.build_network(experiment, stage, training=False)
    batch = setup.example_batch(experiment, stage)
    seed = setup.stage_seed(experiment.config, stage)
    if stage.init or experiment.init_from or experiment.config.model.weights != "none":
        variables = build.initialise_levels(network, batch, seed)
    else:
        variables = build.initialise(network, batch, seed)
    variables, notes = _fill(experiment, stage, variables)
    run_dir.write_weights(experiment.folder(stage), notes)
    return variables


def check_weights(experiment: Experiment) -> None:
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
) -> tuple[Variables, Notes]:
    """Fresh variables, or their shapes, filled from where the stage starts."""
    earlier = [one for one in experiment.config.stages if one.name in stage.init]
    sources = {
        str(experiment.folder(one)): restore_selected(experiment, one)
        for one in earlier
    }
    if experiment.init_from and not sources:
        sources = {experiment.init_from: restore_folder(experiment.init_from)}
    if sources:
        variables = take_streams(variables, sources)
    return fill_from_files(experiment.config, stage, variables, streams=not sources)


def take_streams(variables: Variables, sources: Mapping[str, Variables]) -> Variables:
    """Fills each stream of a network from the first source that has it.

    Args:
        variables: fresh variables of a network.
        sources: variables by the name of their folder.

    Raises:
        UsageError: if no source has one of the streams, or one does not fit.
    """
    for stream in stream_names(variables):
        name = next((n for n, s in sources.items() if stream in s["params"]), None)
        if name is None:
            raise UsageError(f"{', '.join(sources)}: no {stream} stream to start from")
        taken = get_component(sources[name], (stream,))
        variables = replace_component(variables, (stream,), taken, name)
    return variables


def restore_folder(folder: epath.PathLike) -> Variables:
    """The newest variables of a stage's folder, of one of checkpoints, or of a file."""
    if formats.is_known(folder) and not epath.Path(folder).is_dir():
        return own.read(source.locate(str(folder)))
    inner = run_dir.checkpoints(epath.Path(folder))
    return checkpoint.restore_variables(inner if inner.exists() else folder)


def stream_names(variables: Variables) -> list[str]:
    """The streams a network has."""
    return [name for name in STREAMS if name in variables["params"]]


def get_component(variables: Variables, path: Sequence[str]) -> Variables:
    """The part at a path, by collection; empty where a collection has nothing there."""
    found = {}
    for kind in weights.COLLECTIONS:
        tree = variables.get(kind, {})
        for name in path:
            tree = tree.get(name, {})
        found[kind] = tree
    return found


def replace_component(
    variables: Variables, path: Sequence[str], new: Variables, source: str
) -> Variables:
    """Variables with another part at a path.

    Args:
        variables: of a network, not changed.
        path: of the part.
        new: params and batch_stats for it, which must fit leaf for leaf.
        source: where they come from, for the message.

    Raises:
        UsageError: names every missing, extra and misshapen variable.
    """
    fitted = assign.assign(get_component(variables, path), new, source)
    return variables | {
        kind: _put(variables[kind], path, fitted[kind])
        for kind in weights.COLLECTIONS
        if fitted.get(kind)
    }


def _put(tree: Variables, path: Sequence[str], leaf: Variables) -> Variables:
    if not path:
        return leaf
    name, *rest = path
    return tree | {name: _put(tree[name], rest, leaf)}


def fill_from_files(
    config: Config, stage: StageConfig, variables: Variables, streams: bool
) -> tuple[Variables, Notes]:
    """Puts the config's weights into a network and notes which they are.

    Args:
        config: names the weights.
        stage: whose network it is.
        variables: of that network, or their shapes.
        streams: whether the streams take them, flow with an inflated first layer; if
            not, only hidden layers of the classifier do.

    Raises:
        UsageError: a file is not there, or does not fit.
    """
    model = config.model
    channels = {"spatial": 3, "temporal": 2 * config.data.flow_length}
    notes: Notes = {}
    if model.weights == "none":
        return variables, notes
    for stream in stream_names(variables) if streams else ():
        file = stream_file(model, stream)
        loaded = weights.load(model.backbone, file, channels[stream])
        taken = {kind: {"backbone": tree} for kind, tree in loaded.variables.items()}
        variables = replace_component(variables, (stream,), taken, file)
        notes[stream] = describe_weights(model, stream, file, loaded)
    single = stage.is_single_stream
    if single and not streams and model.head == "imported":
        raise UsageError(
            "config.model.head = 'imported' with --init_from, which takes streams "
            "alone; give one of the two"
        )
    if single and model.head == "imported":
        variables = take_classifier(variables, loaded, file)
    if hidden := hidden_layers(variables, single):
        if not (single and streams):
            file, loaded = model.weights, weights.load(model.backbone, model.weights)
        variables = take_hidden(variables, hidden, loaded, file)
        notes["classifier"] = describe_weights(model, "spatial", file, loaded)
    return variables, notes


def stream_file(model: ModelConfig, stream: str) -> str:
    """The weights that a stream starts from."""
    own = model.flow_weights if stream == "temporal" else ""
    return own or model.weights


def hidden_layers(variables: Variables, single: bool) -> list[str]:
    """The classifier's hidden layers that weights can fill.

    Behind a fusion the first has another input and starts anew (section 4.1).
    """
    names = sorted(set(variables["params"]["classifier"]) - {LINEAR})
    return names if single else names[1:]


def take_hidden(
    variables: Variables, names: list[str], loaded: weights.Pretrained, source: str
) -> Variables:
    """Fills the classifier's hidden layers; those that a file lacks start anew."""
    missing = [name for name in names if name not in loaded.hidden]
    if missing:
        print(f"{source}: no {', '.join(missing)}; these start anew", flush=True)
    for name in names:
        if name in loaded.hidden:
            layer = {"params": loaded.hidden[name]}
            variables = replace_component(
                variables, ("classifier", name), layer, source
            )
    return variables


def take_classifier(
    variables: Variables, loaded: weights.Pretrained, source: str
) -> Variables:
    """Fills the linear classifier.

    Raises:
        UsageError: the file has none, or one of another number of classes.
    """
    if loaded.classifier is None:
        raise UsageError(f"{source}: no classifier in it; set model.head = 'new'")
    layer = {"params": loaded.classifier}
    return replace_component(variables, ("classifier", LINEAR), layer, source)


def describe_weights(
    model: ModelConfig, stream: str, file: str, loaded: weights.Pretrained
) -> dict[str, Any]:
    """Which file it was, its checksum, and the preprocessing that goes with it."""
    row = backbones.BACKBONES[model.backbone]
    convention = dataclasses.asdict(row.rgb if stream == "spatial" else row.flow)
    if stream == "temporal":
        convention["order"] = "x, y of each flow in turn"
    return {
        "file": file,
        "sha256": loaded.checksum,
        "layout": loaded.layout,
        "backbone": model.backbone,
        "preprocessing": convention,
    }


@dataclasses.dataclass(frozen=True)
class Selected:
    """A checkpoint of a stage.

    Attributes:
        step: its update.
        select: last or best, as the config says.
        validation: its mean class accuracy on the validation part, where it was chosen
            by it.
    """

    step: int
    select: str
    validation: float | None = None

    def __str__(self) -> str:
        if self.validation is None:
            return f"step {self.step}, the {self.select}"
        share = f"{100 * self.validation:.1f} %"
        return f"step {self.step}, the best in validation ({share} mean class accuracy)"


def check_selection(experiment: Experiment) -> None:
    """Raises UsageError if a stage has no videos, or none that tell which is best."""
    for stage in experiment.config.stages:
        if not len(experiment.videos(stage)):
            raise UsageError(
                f"config.stages.{stage.name}.trained_on = {stage.trained_on!r}: there "
                f"are no {stage.trained_on} videos; see config.data.validation_fraction"
            )
        left = np.setdiff1d(experiment.split.validation, experiment.videos(stage))
        if stage.select == "best" and not len(left):
            raise UsageError(
                f"config.stages.{stage.name}.select = 'best' and there are no "
                "validation videos: raise config.data.validation_fraction, or take "
                "'last'"
            )


def find_selected(experiment: Experiment, stage: StageConfig) -> Selected:
    """The checkpoint that a stage's config asks for.

    Raises:
        UsageError: there is none.
    """
    folder = run_dir.checkpoints(experiment.folder(stage))
    if stage.select == "best" and (best := checkpoint.best_step(folder)):
        return Selected(best[0], "best", best[1])
    newest = checkpoint.newest_step(folder)
    if newest is None or (stage.select == "best" and stage.steps):
        raise UsageError(
            f"{folder}: no checkpoint of stage {stage.name}"
            f"{' with a validation score' if newest else ''}; train it first"
        )
    return Selected(newest, "last")


def restore_selected(experiment: Experiment, stage: StageConfig) -> Variables:
    """Variables of that checkpoint.

    Raises:
        UsageError: there is none.
    """
    folder = run_dir.checkpoints(experiment.folder(stage))
    return checkpoint.restore_variables(folder, find_selected(experiment, stage).step)
