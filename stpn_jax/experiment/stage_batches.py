"""Batches of a stage: of pixels or, over frozen streams, of cached feature maps.

A stage with `cached_crops = N` sees N crops of every training video (with sampling
position, crop and flip as in training) and the crops of the test protocol. The feature
maps of these never change, so they are kept beside the streams, for all runs that share
the streams.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import tqdm
from etils import epath

from stpn_jax import config_facts, parallel, preemption
from stpn_jax.arrays import AnyBatch, Batch, MapBatch
from stpn_jax.config import EvaluationConfig, StageConfig
from stpn_jax.experiment import initialize, setup
from stpn_jax.experiment.initialize import Variables
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import batching, feature_store
from stpn_jax.utils import wording
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import pretrained


def folder(experiment: Experiment) -> epath.Path:
    """Where the feature maps of an experiment's streams are kept."""
    return experiment.shared_maps or experiment.streams / "maps"


def check(experiment: Experiment) -> None:
    """Raises UsageError if stages over cached maps are to run on several hosts."""
    for stage in experiment.config.stages:
        if stage.cached_crops and parallel.host()[1] > 1:
            raise UsageError(
                f"config.stages.{stage.name}.cached_crops = {stage.cached_crops}: maps "
                "are cached by one process with all its devices; run one, or set it "
                "to 0"
            )


def train_batches(
    experiment: Experiment, stage: StageConfig, variables: Variables, first: int
) -> Iterator[AnyBatch]:
    """This host's training batches from step `first` on."""
    videos, size = experiment.videos(stage), stage.batch
    shape = setup.snippet_shape(experiment.config, stage, frames=1)
    seed = setup.stage_seed(experiment.config, stage)
    host, hosts = parallel.host()

    def pixels(start: int, stop: int) -> Iterator[Batch]:
        return batching.train_batches(
            experiment.dataset,
            videos,
            experiment.config.data,
            shape,
            batch=size,
            seed=seed,
            start_step=start,
            stop_step=stop,
            host=host,
            hosts=hosts,
        )

    def cached() -> Iterator[MapBatch]:
        """Each pass shuffles the crops anew."""
        steps = math.ceil(stage.cached_crops * len(videos) / size)
        facts: dict[str, Any] = {"seed": seed, "steps": steps, "batch": size}
        facts["shape"] = dataclasses.asdict(shape)
        maps = _Maps(experiment, stage, variables, videos, facts, training=True)
        part = functools.partial(pixels, stop=steps)
        store = maps.open_or_make(steps * size, size, part)
        for step in range(first, stage.steps):
            places = step * size + np.arange(size)
            yield store.batch(batching.shuffled_walk(seed, places, len(store)))

    return cached() if stage.cached_crops else pixels(first, stage.steps)


def test_batches(
    experiment: Experiment,
    stage: StageConfig,
    variables: Variables,
    videos: np.ndarray,
    evaluation: EvaluationConfig,
) -> Iterator[AnyBatch]:
    """This host's batches of the test protocol."""
    data, (host, hosts) = experiment.config.data, parallel.host()
    shape = setup.snippet_shape(experiment.config, stage, evaluation.frames)

    def pixels(start: int) -> Iterator[Batch]:
        batches = batching.test_batches(
            experiment.dataset, videos, data, shape, evaluation, host=host, hosts=hosts
        )
        return itertools.islice(batches, start, None)

    def cached() -> Iterator[MapBatch]:
        size = evaluation.batch * evaluation.crops
        count = batching.test_batch_count(len(videos), evaluation) * size
        settings: dict[str, Any] = {"shape": shape, "evaluation": evaluation}
        facts = {name: config_facts.first_form(one) for name, one in settings.items()}
        maps = _Maps(experiment, stage, variables, videos, facts, training=False)
        store = maps.open_or_make(count, size, pixels)
        for start in range(0, count, size):
            yield store.batch(slice(start, start + size))

    return cached() if stage.cached_crops else pixels(0)


def maps_of(experiment: Experiment, stage: StageConfig, batch: Any) -> MapBatch:
    """Shapes of a batch's feature maps, from those of its pixels."""
    forward, variables = _forward(experiment, stage)
    found: MapBatch = jax.eval_shape(forward, variables, batch)
    return found


def _forward(experiment: Experiment, stage: StageConfig) -> tuple[Any, Variables]:
    """The function that makes feature maps, and the shapes of its variables."""
    network = setup.build_network(experiment, stage, training=False)
    forward = functools.partial(network.apply, method="feature_maps")
    return forward, setup.variable_shapes(experiment, stage)


def operations_of(experiment: Experiment, stage: StageConfig) -> float:
    """Operations that make the maps of a stage's training crops; 0 for pixels."""
    if not stage.cached_crops:
        return 0.0
    forward, variables = _forward(experiment, stage)
    lowered = jax.jit(forward).lower(variables, setup.example_batch(experiment, stage))
    each = (lowered.cost_analysis() or {}).get("flops", 0.0)
    return stage.cached_crops * len(experiment.videos(stage)) * each


def batch_shapes(experiment: Experiment, stage: StageConfig, count: int) -> AnyBatch:
    """Shapes of a training batch of so many snippets."""
    batch: Batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((count, *x.shape[1:]), x.dtype),
        setup.example_batch(experiment, stage),
    )
    if not stage.cached_crops:
        return batch
    maps = maps_of(experiment, stage, batch)
    as_read: dict[str, Any] = {  # As feature_store.Store.batch gives them.
        name: jax.ShapeDtypeStruct(getattr(maps, name).shape, np.float32)
        for name in ("images", "paths")
    }
    return dataclasses.replace(maps, **as_read)


def bytes_of(experiment: Experiment, stage: StageConfig) -> int:
    """Bytes on disk of the feature maps of a stage's training crops; 0 for pixels."""
    if not stage.cached_crops:
        return 0
    maps = maps_of(experiment, stage, setup.example_batch(experiment, stage))
    values = maps.images.size + maps.paths.size
    snippets = stage.cached_crops * len(experiment.videos(stage))
    return snippets * values * feature_store.BYTES


@dataclasses.dataclass(frozen=True, eq=False)
class _Maps:
    """The feature maps that a network's streams make of some videos."""

    experiment: Experiment
    stage: StageConfig
    variables: Variables  # of the network
    videos: np.ndarray
    facts: dict[str, Any]  # how the videos are sampled
    training: bool

    def open_or_make(
        self, count: int, batch: int, pixels: Callable[[int], Iterator[Batch]]
    ) -> feature_store.Store:
        """Opens the store of `count` samples; `pixels` gives batches from one on."""
        streams = self._streams()

        def make(done: int) -> Iterator[MapBatch]:
            part = "training" if self.training else "held-out"
            what = wording.counted(count, f"{part} snippet")
            videos = wording.counted(len(self.videos), "video")
            print(f"[{self.stage.name}] maps of {what} of {videos}", flush=True)
            network = setup.build_network(
                self.experiment, self.stage, training=self.training
            )
            forward = parallel.map_forward(
                functools.partial(network.apply, method="feature_maps")
            )
            variables = parallel.replicate(streams)
            bar = {"total": count // batch, "initial": done // batch, "mininterval": 5}
            for one in tqdm.tqdm(pixels(done // batch), unit="batch", **bar):
                preemption.check()
                found = jax.device_get(forward(variables, parallel.shard(one)))
                # No -1 for the samples: without RGB frames, maps have size 0.
                yield jax.tree.map(
                    lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), found
                )

        path = folder(self.experiment) / self._key(streams)
        return feature_store.open_or_make(path, count, make)

    def _streams(self) -> Variables:
        """Variables of the streams alone."""
        found = {
            kind: {
                name: tree
                for name, tree in self.variables.get(kind, {}).items()
                if name in initialize.STREAMS and tree
            }
            for kind in pretrained.COLLECTIONS
        }
        return {kind: trees for kind, trees in found.items() if trees}

    def _key(self, streams: Variables) -> str:
        """Name of the store's folder: a digest of all that the maps depend on."""
        config = self.experiment.config
        data = dataclasses.asdict(config.data)
        # The videos themselves have a digest.
        parts = ("validation_fraction", "validation_fold")
        for name in ("threads", "prefetch", "data_dir", *parts):
            del data[name]
        facts = self.facts | {
            "streams": _digest(streams),
            "videos": self.experiment.dataset.digest_of(self.videos),
            "data": data,
            "dtype": config.model.dtype,
            "training": self.training,
        }
        content = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _digest(variables: Variables) -> str:
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(variables)):
        found.update(jax.tree_util.keystr(path).encode())
        found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()
