"""A config with its data and its workdir, and the networks it asks for."""

import dataclasses
import zlib

import numpy as np
from etils import epath
from flax import linen as nn

from stpn_jax import parallel
from stpn_jax.arrays import Batch
from stpn_jax.config import Config, DataConfig, StageConfig
from stpn_jax.datasets import official_splits
from stpn_jax.experiment import run_dir
from stpn_jax.input_pipeline import augmentation
from stpn_jax.input_pipeline.sampling import SnippetShape
from stpn_jax.models import build
from stpn_jax.records import records
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import source


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A config with its data and its workdir.

    Attributes:
        config: what to do.
        directory: the workdir.
        dataset: the records.
        split: video indices of the official split: train, validation, test.
        init_from: checkpoint that takes the place of the ImageNet weights, or empty;
            None for what does not train.
        streams: folder of the single streams, where runs share them.
    """

    config: Config
    directory: epath.Path
    dataset: records.Dataset
    split: official_splits.Split
    init_from: str | None
    streams: epath.Path

    def videos(self, stage: StageConfig) -> np.ndarray:
        """What a stage is trained on."""
        is_usual = stage.trained_on == "train"
        return self.split.train if is_usual else self.split.validation

    @property
    def seen(self) -> np.ndarray:
        """What all stages together are trained on."""
        parts = [self.videos(stage) for stage in self.config.stages]
        return np.unique(np.concatenate(parts))

    def folder(self, stage: StageConfig) -> epath.Path:
        """Where a stage's checkpoints, metrics and scores lie."""
        parent = self.streams if stage.is_single_stream else self.directory
        return parent / stage.name


def open_experiment(
    config: Config,
    directory: epath.PathLike,
    init_from: str | None = None,
    streams: epath.PathLike = "",
) -> Experiment:
    """Opens the records; the workdir is not touched before `claim`.

    Args:
        config: what to do.
        directory: the workdir.
        init_from: where training starts from in place of the ImageNet weights, or
            empty; None for what does not train.
        streams: folder of the single streams, for runs that share them; by default
            the workdir.

    Raises:
        UsageError: if there are no fitting records (with the command that makes them),
            or no weights.
    """
    data = config.data
    if init_from == "":
        check_weights(config)
    for stage in config.stages:
        parallel.check_batch(stage.batch, f"stages[{stage.name}].batch")
    parallel.check_batch(config.evaluation.batch, "evaluation.batch")
    dataset = records.open_dataset(data.data_dir, data.size, prepare_command(data))
    if dataset.meta.dataset != data.dataset:
        raise UsageError(
            f"{data.data_dir}: its videos are of {dataset.meta.dataset!r}, and "
            f"config.data.dataset = {data.dataset!r}; give the data_dir of those, or "
            "that config"
        )
    _check_crops(config, dataset.meta.size)
    split = official_splits.split_videos(
        dataset, data.split, data.validation_fraction, data.validation_seed
    )
    path = epath.Path(directory)
    shared = epath.Path(streams) if streams else path
    return Experiment(config, path, dataset, split, init_from, shared)


def claim(experiment: Experiment) -> None:
    """Makes the workdir this experiment's, or checks that it is.

    Raises:
        UsageError: it belongs to another config or other data.
    """
    belongs = (experiment.config, experiment.dataset, experiment.init_from)
    run_dir.claim(experiment.directory, *belongs)
    if experiment.streams != experiment.directory:
        run_dir.claim_streams(experiment.streams, *belongs)


def check_weights(config: Config) -> None:
    """Raises UsageError if a stage starts from a weight file that is not there."""
    if any(not stage.init for stage in config.stages):
        for file in filter(None, (config.model.weights, config.model.flow_weights)):
            source.check(file)


def prepare_command(data: DataConfig) -> str:
    """The command that makes data_dir; VIDEOS and SPLITS are the user's folders."""
    width, height = data.size
    splits = "" if data.dataset == "folder" else " --splits=SPLITS"
    return (
        f"python -m stpn_jax.prepare --dataset={data.dataset} --videos=VIDEOS{splits} "
        f"--data_dir={data.data_dir} --size={width}x{height}"
    )


def _check_crops(config: Config, size: tuple[int, int]) -> None:
    """Raises UsageError now, not after a stage, if a crop is larger than the frames."""
    data = config.data
    augmentation.train_crop(np.random.default_rng(0), size, data)
    augmentation.test_crops(size, data.input_size, config.evaluation.views)


def build_network(
    experiment: Experiment, stage: StageConfig, *, training: bool = True
) -> nn.Module:
    """The network of a stage; only training crops differ in size from the input."""
    data = experiment.config.data
    resize = training and any(
        side != data.input_size for side in augmentation.crop_sides(data)
    )
    return build.build(
        experiment.config.model,
        stage,
        classes=len(experiment.dataset.meta.classes),
        input_size=data.input_size,
        resize=resize,
        axis_name=parallel.AXIS if training else None,
        remat=experiment.config.run.remat if training else "none",
    )


def snippet_shape(config: Config, stage: StageConfig, frames: int) -> SnippetShape:
    """What a stage's network looks at."""
    return SnippetShape(
        frames=0 if stage.network == "temporal" else frames,
        paths=stage.paths,
        flow_length=config.data.flow_length,
        tau=config.data.tau,
    )


def example_batch(experiment: Experiment, stage: StageConfig) -> Batch:
    """A batch of one blank snippet of a stage."""
    config = experiment.config
    shape = snippet_shape(config, stage, frames=1)
    return blank_batch(shape, config.data.input_size)


def blank_batch(shape: SnippetShape, side: int) -> Batch:
    """One blank snippet on a canvas of this side, for shapes."""
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
    """Distinct for the streams and what is built on them.

    It does not depend on the place among the stages: runs can share their streams.
    """
    offsets = {"spatial": 0, "temporal": 1, "pyramid": 2, "paths": 2, "attended": 2}
    other = 3 + zlib.crc32(stage.name.encode()) % 2**20
    return config.seed * 3 + offsets.get(stage.name, other)
