"""An experiment: config, records and workdir, and the networks the config describes."""

import dataclasses
import zlib
from typing import Any

import jax
import numpy as np
from etils import epath
from flax import linen as nn

from stpn_jax import parallel
from stpn_jax.arrays import Batch
from stpn_jax.config import Config, DataConfig, StageConfig
from stpn_jax.datasets import official_splits
from stpn_jax.input_pipeline import sampling
from stpn_jax.input_pipeline.sampling import SnippetShape
from stpn_jax.models import build
from stpn_jax.records import records
from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import source


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A config with its records and its workdir."""

    config: Config
    directory: epath.Path  # the workdir
    dataset: records.Dataset
    split: official_splits.Split  # video indices of train, validation and test
    # Checkpoint in place of the config's weights, or ""; None where nothing is trained.
    init_from: str | None
    streams: epath.Path  # of the single streams: the workdir, or a folder runs share
    shared_maps: epath.Path | None = None  # feature maps elsewhere than by the streams

    def videos(self, stage: StageConfig) -> np.ndarray:
        """Indices of the videos that a stage is trained on."""
        on_train = stage.trained_on == "train"
        return self.split.train if on_train else self.split.validation

    @property
    def seen(self) -> np.ndarray:
        """Indices of the videos that any stage is trained on."""
        videos = [self.videos(stage) for stage in self.config.stages]
        return np.unique(np.concatenate(videos))

    def folder(self, stage: StageConfig) -> epath.Path:
        """Folder of a stage's checkpoints, metrics and scores."""
        parent = self.streams if stage.is_single_stream else self.directory
        return parent / stage.name


def open_experiment(
    config: Config,
    directory: epath.PathLike,
    init_from: str | None = None,
    streams: epath.PathLike = "",
) -> Experiment:
    """Opens the records; arguments as the attributes of Experiment.

    The workdir is not touched before run_dir.register.

    Raises:
        UsageError: there are no fitting records (names the command that makes them),
            or no weights, or a batch or a crop has a size that cannot be.
    """
    data = config.data
    if init_from == "":
        check_weights(config)
    for stage in config.stages:
        parallel.check_batch(stage.batch, f"stages[{stage.name}].batch")
    parallel.check_batch(config.evaluation.batch, "evaluation.batch")
    if not data.data_dir:
        raise UsageError("config.data.data_dir is empty: expected a folder of records")
    data_dir = files.expand(data.data_dir)
    dataset = records.open_dataset(data_dir, data.size, prepare_command(data))
    if dataset.meta.dataset != data.dataset:
        raise UsageError(
            f"{data_dir}: its videos are of {dataset.meta.dataset!r}, and "
            f"config.data.dataset = {data.dataset!r}; change data_dir or the config"
        )
    # Raise UsageError now, not after a stage, if a crop is larger than the frames.
    size = dataset.meta.size
    sampling.train_crop(np.random.default_rng(0), size, data)
    sampling.test_crops(size, data.test_side, config.evaluation.crops)
    split = official_splits.split_videos(
        dataset,
        data.split,
        data.validation_fraction,
        data.validation_seed,
        data.validation_fold,
    )
    workdir = files.expand(directory)
    shared = files.expand(streams) if streams else workdir
    return Experiment(config, workdir, dataset, split, init_from, shared)


def check_weights(config: Config) -> None:
    """Raises UsageError if a weight file that a stage starts from does not exist."""
    if any(not stage.init for stage in config.stages):
        for file in filter(None, (config.model.weights, config.model.flow_weights)):
            source.check(file)


def prepare_command(data: DataConfig) -> str:
    """The command that makes records from the folders VIDEOS and SPLITS."""
    width, height = data.size
    splits = "" if data.dataset == "folder" else " --splits=SPLITS"
    return (
        f"stpn prepare --dataset={data.dataset} --videos=VIDEOS{splits} "
        f"--size={width}x{height}"
    )


def build_network(
    experiment: Experiment, stage: StageConfig, *, training: bool = True
) -> nn.Module:
    """The network of a stage, with crops resized where they differ from its input."""
    data = experiment.config.data
    sides = sampling.crop_sides(data) if training else (data.test_side,)
    return build.build(
        experiment.config.model,
        stage,
        classes=len(experiment.dataset.meta.classes),
        input_size=data.input_size,
        flow_input_size=data.flow_side,
        resize=len({*sides, data.input_size, data.flow_side}) > 1,
        axis_name=parallel.AXIS if training else None,
        remat=experiment.config.run.remat if training else "none",
    )


def snippet_shape(config: Config, stage: StageConfig, frames: int) -> SnippetShape:
    """The frames and flow of a snippet that a stage's network takes."""
    return SnippetShape(
        frames=0 if stage.network == "temporal" else frames,
        paths=stage.paths,
        flow_length=config.data.flow_length,
        tau=config.data.tau,
    )


def example_batch(experiment: Experiment, stage: StageConfig) -> Batch:
    """A batch of one blank snippet of a stage."""
    config = experiment.config
    return blank_batch(snippet_shape(config, stage, 1), config.data.input_size)


def variable_shapes(experiment: Experiment, stage: StageConfig) -> dict[str, Any]:
    """Shapes and types of the variables of a stage's network, by collection."""
    network = build_network(experiment, stage, training=False)
    batch = example_batch(experiment, stage)
    return dict(jax.eval_shape(network.init, jax.random.key(0), batch))


def blank_batch(shape: SnippetShape, side: int) -> Batch:
    """A batch of one blank snippet, for its shapes."""
    return Batch(
        rgb=np.zeros((1, shape.frames, 3, side, side), np.uint8),
        flow=np.zeros((1, shape.paths, 2 * shape.flow_length, side, side), np.uint8),
        box=np.array([[0, 0, side, side]], np.float32),
        flip=np.zeros(1, bool),
        label=np.zeros(1, np.int32),
        mask=np.ones(1, bool),
        video=np.zeros(1, np.int32),
    )


def stage_seed(config: Config, stage: StageConfig) -> int:
    """Seed by the stage's name and not its position, as runs can share streams."""
    offsets = {"spatial": 0, "temporal": 1, "pyramid": 2, "paths": 2, "attended": 2}
    other = 3 + zlib.crc32(stage.name.encode()) % 2**20
    return config.seed * 3 + offsets.get(stage.name, other)
