"""Stages over frozen streams: the streams' maps are computed once, then trained on.

A stage with `cached_views = N` sees N views of every training video (moment, crop and
mirroring as drawn for training) and the views of the test protocol. What the streams
make of these never changes, so it is kept beside the streams, for all runs that share
them.
"""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import tqdm
from etils import epath

from stpn_jax import parallel
from stpn_jax.arrays import Batch, MapBatch
from stpn_jax.config import EvaluationConfig, StageConfig
from stpn_jax.experiment import initialize, setup
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import batching, feature_store
from stpn_jax.utils.errors import UsageError

MAPS = "maps"


def check(experiment: Experiment) -> None:
    """Raises UsageError if stages over cached maps are to run on several hosts."""
    for stage in experiment.config.stages:
        if stage.cached_views and parallel.host()[1] > 1:
            raise UsageError(
                f"config.stages.{stage.name}.cached_views = {stage.cached_views}: maps "
                "are cached by one process with all its devices; run one, or set it "
                "to 0"
            )


def train_batches(
    experiment: Experiment,
    stage: StageConfig,
    variables: initialize.Variables,
    first: int,
) -> Iterator[MapBatch]:
    """Training batches from step `first` on: the views in an order shuffled each time.

    Args:
        experiment: whose data they are.
        stage: with cached views.
        variables: of its network, for the streams.
        first: steps done before.
    """
    seed = setup.stage_seed(experiment.config, stage)
    videos = experiment.videos(stage)
    steps = math.ceil(stage.cached_views * len(videos) / stage.batch)
    shape = setup.snippet_shape(experiment.config, stage, frames=1)

    def pixels(step: int) -> Iterator[Batch]:
        return batching.train_batches(
            experiment.dataset,
            videos,
            experiment.config.data,
            shape,
            batch=stage.batch,
            seed=seed,
            start_step=step,
            stop_step=steps,
        )

    store = _store(
        _Maps(experiment, stage, variables, videos, training=True),
        {
            "shape": dataclasses.asdict(shape),
            "seed": seed,
            "steps": steps,
            "batch": stage.batch,
        },
        steps * stage.batch,
        stage.batch,
        pixels,
    )
    for step in range(first, stage.steps):
        places = step * stage.batch + np.arange(stage.batch)
        yield store.batch(batching.shuffled_walk(seed, places, len(store)))


def test_batches(
    experiment: Experiment,
    stage: StageConfig,
    variables: initialize.Variables,
    videos: np.ndarray,
    evaluation: EvaluationConfig,
) -> Iterator[MapBatch]:
    """The batches of pipeline.test_batches, as maps."""
    samples = evaluation.batch * evaluation.views
    count = batching.test_batch_count(len(videos), evaluation) * samples
    shape = setup.snippet_shape(experiment.config, stage, evaluation.frames)

    def pixels(step: int) -> Iterator[Batch]:
        batches = batching.test_batches(
            experiment.dataset, videos, experiment.config.data, shape, evaluation
        )
        return (batch for i, batch in enumerate(batches) if i >= step)

    store = _store(
        _Maps(experiment, stage, variables, videos, training=False),
        {
            "shape": dataclasses.asdict(shape),
            "evaluation": dataclasses.asdict(evaluation),
        },
        count,
        samples,
        pixels,
    )
    for start in range(0, count, samples):
        yield store.batch(slice(start, start + samples))


def maps_of(
    experiment: Experiment, stage: StageConfig, variables: Any, batch: Any
) -> MapBatch:
    """Shapes of a batch's maps, from those of variables and pixels."""
    network = setup.build_network(experiment, stage, training=False)
    forward = functools.partial(network.apply, method="feature_maps")
    found: MapBatch = jax.eval_shape(forward, variables, batch)
    return found


def bytes_of(experiment: Experiment, stage: StageConfig) -> int:
    """What the maps of a stage's training views take on disk; 0 for pixels."""
    if not stage.cached_views:
        return 0
    network = setup.build_network(experiment, stage, training=False)
    batch = setup.example_batch(experiment, stage)
    variables = jax.eval_shape(network.init, jax.random.key(0), batch)
    maps = maps_of(experiment, stage, variables, batch)
    values = maps.images.size + maps.paths.size
    snippets = stage.cached_views * len(experiment.videos(stage))
    return snippets * values * feature_store.BYTES


@dataclasses.dataclass(frozen=True, eq=False)
class _Maps:
    """What maps are of: a network's streams and some videos."""

    experiment: Experiment
    stage: StageConfig
    variables: initialize.Variables
    videos: np.ndarray
    training: bool

    def forward(self) -> Any:
        """Mapped (variables, sharded pixels) -> sharded maps."""
        network = setup.build_network(
            self.experiment, self.stage, training=self.training
        )
        forward = functools.partial(network.apply, method="feature_maps")
        return parallel.map_forward(forward)

    def streams(self) -> initialize.Variables:
        """Variables of the streams alone."""
        names = initialize.stream_names(self.variables)
        trees = {
            name: initialize.get_component(self.variables, (name,)) for name in names
        }
        kinds = {kind for tree in trees.values() for kind, leaf in tree.items() if leaf}
        return {
            kind: {name: trees[name][kind] for name in names} for kind in sorted(kinds)
        }

    def key(self, more: dict[str, Any]) -> str:
        """Tells these maps from all others."""
        config = self.experiment.config
        data = dataclasses.asdict(config.data)
        for name in ("threads", "prefetch", "data_dir", "validation_fraction"):
            del data[name]
        facts = more | {
            "streams": _digest(self.streams()),
            "videos": self.experiment.dataset.digest_of(self.videos),
            "data": data,
            "dtype": config.model.dtype,
            "training": self.training,
        }
        text = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(variables: initialize.Variables) -> str:
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(variables)):
        found.update(jax.tree_util.keystr(path).encode())
        found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()


def _store(
    maps: _Maps, key: dict[str, Any], count: int, batch: int, pixels: Any
) -> feature_store.Store:
    """Opens the maps' store, or makes it.

    Args:
        maps: what they are of.
        key: what else tells them from others.
        count: samples.
        batch: samples a batch.
        pixels: gives the batches from one on.
    """
    stage = maps.stage
    part = "training" if maps.training else "held-out"

    def make(done: int) -> Iterator[MapBatch]:
        print(
            f"[{stage.name}] maps of {count} {part} snippets of {len(maps.videos)} "
            "videos",
            flush=True,
        )
        forward, variables = maps.forward(), parallel.replicate(maps.streams())
        ready = tqdm.tqdm(
            pixels(done // batch),
            total=count // batch,
            initial=done // batch,
            mininterval=5,
            unit="batch",
        )
        for one in ready:
            parallel.check_preemption()
            found = jax.device_get(forward(variables, parallel.shard(one)))
            # No -1 for the samples: a flow-only network has image maps of no size.
            yield jax.tree.map(
                lambda x: x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]), found
            )

    return feature_store.open_or_make(
        folder(maps.experiment) / maps.key(key), count, make
    )


def folder(experiment: Experiment) -> epath.Path:
    """Where the maps of an experiment's streams lie."""
    return experiment.streams / MAPS
