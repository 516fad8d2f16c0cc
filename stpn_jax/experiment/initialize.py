"""What a stage starts from (section 4.1): earlier stages, a checkpoint or weights."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath
from flax import linen as nn

from stpn_jax.config import Config, ModelConfig, StageConfig
from stpn_jax.experiment import checkpoint_selection, run_dir, setup
from stpn_jax.experiment.setup import Experiment
from stpn_jax.models import backbones, build
from stpn_jax.train import checkpoint
from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import assign, channels, formats, own, pretrained, source

Variables = dict[str, Any]
Notes = dict[str, dict[str, Any]]
STREAMS = ("spatial", "temporal")
LINEAR = "dense"


def initial_variables(experiment: Experiment, stage: StageConfig) -> Variables:
    """New variables whose streams are taken from where the stage says.

    These are the stages of `stage.init`; without any, the checkpoint of --init_from;
    without that, the weights of the config. Writes the weight files to weights.json.
    """
    network: nn.Module = setup.build_network(experiment, stage, training=False)
    batch = setup.example_batch(experiment, stage)
    seed = setup.stage_seed(experiment.config, stage)
    if stage.init or experiment.init_from or experiment.config.model.weights != "none":
        fresh = build.initialise_levels(network, batch, seed)
    else:
        fresh = build.initialise(network, batch, seed)
    variables, notes = _fill(experiment, stage, fresh)
    run_dir.write_weights(experiment.folder(stage), notes)
    return variables


def check_weights(experiment: Experiment) -> None:
    """Checks, before any stage trains, what the streams not yet begun start from.

    Raises:
        UsageError: a weight file, or the checkpoint of --init_from, does not fit.
    """
    for stage in (one for one in experiment.config.stages if one.is_single_stream):
        folder = run_dir.checkpoints(experiment.folder(stage))
        if checkpoint.newest_step(folder) is None:
            shapes = setup.variable_shapes(experiment, stage)
            _fill(experiment, stage, {"batch_stats": {}} | shapes)


def _fill(
    experiment: Experiment, stage: StageConfig, variables: Variables
) -> tuple[Variables, Notes]:
    """Fills new variables, or their shapes, from where the stage starts."""
    sources = {
        str(experiment.folder(one)): checkpoint_selection.restore(experiment, one)
        for one in experiment.config.stages
        if one.name in stage.init
    }
    if experiment.init_from and not sources:
        sources = {experiment.init_from: restore_folder(experiment.init_from)}
    if stage.init and stage.network == "temporal" and not _has_flow(sources):
        sources = {name: _as_flow(experiment, one) for name, one in sources.items()}
    if sources:
        variables = take_streams(variables, sources)
    if further := _same_stream(experiment.config, stage):
        name, path = str(experiment.folder(further)), ("classifier",)
        taken = get_component(sources[name], path)
        return replace_component(variables, path, taken, name), {}
    return fill_from_files(experiment.config, stage, variables, streams=not sources)


def _same_stream(config: Config, stage: StageConfig) -> StageConfig | None:
    """The stage whose stream is taken, if this one trains the same stream further."""
    first = next((one for one in config.stages if one.name in stage.init), None)
    if first is None or stage.network not in STREAMS:
        return None
    same = (first.network, first.paths) == (stage.network, stage.paths)
    return first if same else None


def _has_flow(sources: Mapping[str, Variables]) -> bool:
    return any("temporal" in found["params"] for found in sources.values())


def take_streams(variables: Variables, sources: Mapping[str, Variables]) -> Variables:
    """Fills each stream of a network from the first source, by folder, that has it.

    Raises:
        UsageError: no source has one of the streams, or one does not fit.
    """
    for stream in stream_names(variables):
        name = next((n for n, s in sources.items() if stream in s["params"]), None)
        if name is None:
            raise UsageError(f"{', '.join(sources)}: no {stream} stream to start from")
        taken = get_component(sources[name], (stream,))
        variables = replace_component(variables, (stream,), taken, name)
    return variables


def _as_flow(experiment: Experiment, found: Variables) -> Variables:
    """The spatial stream as a temporal one, its first layer fitted to flow."""
    config, stream = experiment.config, get_component(found, ("spatial",))
    params = stream["params"]
    backbone = channels.fit_first(
        config.model.backbone,
        params["backbone"],
        2 * config.data.flow_length,
        "the spatial stream",
    )
    fitted = stream | {"params": params | {"backbone": backbone}}
    return {kind: {"temporal": tree} for kind, tree in fitted.items()}


def restore_folder(path: epath.PathLike) -> Variables:
    """Variables of a file, or the newest ones of a stage's or a checkpoints folder."""
    folder = files.expand(path)
    if formats.is_known(path) and not folder.is_dir():
        return own.read(source.locate(str(path)))
    inner = run_dir.checkpoints(folder)
    return checkpoint.restore_variables(inner if inner.exists() else folder)


def stream_names(variables: Variables) -> list[str]:
    """The streams a network has."""
    return [name for name in STREAMS if name in variables["params"]]


def get_component(variables: Variables, path: Sequence[str]) -> Variables:
    """The variables at a path, by collection; empty where a collection has none."""
    return {
        kind: functools.reduce(
            lambda tree, name: tree.get(name, {}), path, variables.get(kind, {})
        )
        for kind in pretrained.COLLECTIONS
    }


def replace_component(
    variables: Variables, path: Sequence[str], new: Variables, source: str
) -> Variables:
    """A copy of variables with new params and batch_stats, from `source`, at a path.

    Raises:
        UsageError: names every missing, extra and misshapen variable.
    """
    fitted = assign.assign(get_component(variables, path), new, source)
    return variables | {
        kind: _put(variables[kind], path, fitted[kind])
        for kind in pretrained.COLLECTIONS
        if fitted.get(kind)
    }


def _put(tree: Variables, path: Sequence[str], leaf: Variables) -> Variables:
    if not path:
        return leaf
    return tree | {path[0]: _put(tree[path[0]], path[1:], leaf)}


def fill_from_files(
    config: Config, stage: StageConfig, variables: Variables, streams: bool
) -> tuple[Variables, Notes]:
    """Fills a network from the weight files of the config.

    With `streams`, all streams are filled, the first layer of the temporal one fitted
    to flow; without, only hidden layers of the classifier are. Returns the variables,
    which can be shapes, and a note on each file that was used.

    Raises:
        UsageError: a file is not there, or does not fit.
    """
    model, single = config.model, stage.is_single_stream
    if model.weights == "none":
        return variables, {}
    if single and not streams and model.head == "imported":
        raise UsageError(
            "config.model.head = 'imported' with --init_from, which takes streams "
            "alone; give one of the two"
        )
    notes: Notes = {}
    loaded = {}
    for stream in stream_names(variables) if streams else ():
        loaded[stream] = file, found = _load(config, stream)
        taken = {kind: {"backbone": tree} for kind, tree in found.variables.items()}
        variables = replace_component(variables, (stream,), taken, file)
        notes[stream] = _describe(model, stream, file, found)
    # Behind a fusion the first hidden layer has another input (section 4.1).
    hidden = sorted(set(variables["params"]["classifier"]) - {LINEAR})
    hidden = hidden if single else hidden[1:]
    wanted = [*hidden, LINEAR] if single and model.head == "imported" else hidden
    if wanted:
        stream = next(iter(loaded), "spatial") if single else "spatial"
        file, found = loaded.get(stream) or _load(config, stream)
        variables = _take_layers(variables, wanted, found, file)
    if hidden:
        notes["classifier"] = _describe(model, "spatial", file, found)
    return variables, notes


def _load(config: Config, stream: str) -> tuple[str, pretrained.Pretrained]:
    """The file that a stream starts from, and what it holds."""
    model, is_flow = config.model, stream == "temporal"
    file = (is_flow and model.flow_weights) or model.weights
    channels = 2 * config.data.flow_length if is_flow else 3
    return file, pretrained.load(model.backbone, file, channels)


def _take_layers(
    variables: Variables, names: list[str], loaded: pretrained.Pretrained, source: str
) -> Variables:
    """Fills layers of the classifier; hidden layers that the file lacks stay new.

    Raises:
        UsageError: the file has no linear classifier, or a layer does not fit.
    """
    layers = loaded.hidden | {LINEAR: loaded.classifier}
    missing = [name for name in names if layers.get(name) is None]
    if LINEAR in missing:
        raise UsageError(f"{source}: no classifier in it; set model.head = 'new'")
    if missing:
        print(f"{source}: no {', '.join(missing)}; these start anew", flush=True)
    for name in (one for one in names if one not in missing):
        layer = {"params": layers[name]}
        variables = replace_component(variables, ("classifier", name), layer, source)
    return variables


def _describe(
    model: ModelConfig, stream: str, file: str, loaded: pretrained.Pretrained
) -> dict[str, Any]:
    """The file, its checksum, and the preprocessing that goes with it."""
    backbone = backbones.BACKBONES[model.backbone]
    preprocessing = dataclasses.asdict(backbone.rgb)
    if stream == "temporal":
        preprocessing = dataclasses.asdict(backbone.flow)
        preprocessing["order"] = "x, y of each flow in turn"
    return {
        "file": file,
        "sha256": loaded.checksum,
        "layout": loaded.layout,
        "backbone": model.backbone,
        "preprocessing": preprocessing,
    }
