"""Weights of files in a network's place, and a note of what they are."""

import dataclasses
from typing import Any

from stpn_jax import weights
from stpn_jax.config import Config, ModelConfig, StageConfig
from stpn_jax.experiment import parts
from stpn_jax.experiment.parts import Variables
from stpn_jax.models import backbones
from stpn_jax.utils.errors import UsageError

Notes = dict[str, dict[str, Any]]
LINEAR = "dense"


def fill(
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
    for stream in parts.streams(variables) if streams else ():
        file = stream_file(model, stream)
        loaded = weights.load(model.backbone, file, channels[stream])
        taken = {kind: {"backbone": tree} for kind, tree in loaded.variables.items()}
        variables = parts.replace(variables, (stream,), taken, file)
        notes[stream] = describe(model, stream, file, loaded)
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
        notes["classifier"] = describe(model, "spatial", file, loaded)
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
            variables = parts.replace(variables, ("classifier", name), layer, source)
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
    return parts.replace(variables, ("classifier", LINEAR), layer, source)


def describe(
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
