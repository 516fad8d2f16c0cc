"""Collects features and attention of some test videos from a trained network."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from stpn_jax import parallel
from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.config import StageConfig
from stpn_jax.experiment import checkpoint_selection, setup
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import batching, sampling

MOST_VIDEOS = 300
MOST_CLASSES = 16
CHOSEN_CLASSES = 10  # of more: as many as the paper's Figure 5 has


@dataclasses.dataclass(frozen=True)
class Collected:
    """Outputs for one snippet and the central crop of each video.

    Attributes:
        positions: sampling positions of the snippets.
        features: by name.
        attention: over the grid of the crop, if the network has attention.
    """

    positions: list[sampling.SamplingPosition]
    features: dict[str, Float[np.ndarray, "n _"]]
    attention: Float[np.ndarray, "n h w"] | None


def choose(labels: Int[np.ndarray, "n"], seed: int) -> Int[np.ndarray, "_"]:
    """Indices of the videos to use: of some classes if there are many."""
    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    if len(classes) > MOST_CLASSES:
        classes = rng.choice(classes, CHOSEN_CLASSES, replace=False)
    places = np.flatnonzero(np.isin(labels, classes))
    if len(places) > MOST_VIDEOS:
        places = np.sort(rng.choice(places, MOST_VIDEOS, replace=False))
    return places


def collect(
    experiment: Experiment, stage: StageConfig, videos: Int[np.ndarray, "n"]
) -> Collected:
    """Runs a stage's network on these videos, shared by all hosts.

    A snippet has one RGB frame, so that its attention belongs to that frame alone.
    """
    config = experiment.config
    evaluation = dataclasses.replace(
        config.evaluation, snippets=1, crops=1, frames=1, centres="even"
    )
    shape = setup.snippet_shape(config, stage, frames=1)
    plan = (experiment.dataset, videos, config.data, shape, evaluation)
    host, hosts = parallel.host()
    forward = parallel.map_forward(_make_step(experiment, stage))
    variables = parallel.replicate(checkpoint_selection.restore(experiment, stage))
    places = {video: place for place, video in enumerate(videos.tolist())}
    found: dict[str, np.ndarray] = {}
    for batch in batching.test_batches(*plan, host=host, hosts=hosts):
        outputs = forward(variables, parallel.shard(batch))
        own = [places[video] for video in batch.video[batch.mask].tolist()]
        for name, value in outputs.items():
            sharded = np.asarray(value, np.float32)
            values = sharded.reshape(-1, *sharded.shape[2:])
            empty = np.zeros((len(videos), *values.shape[1:]), np.float32)
            found.setdefault(name, empty)[own] = values[batch.mask]
    # A video is on one host, and its values are zero on the others.
    found = {name: parallel.sum_over_hosts(found[name]) for name in sorted(found)}
    attention = found.pop("attention", None)
    positions = [snippet.position for snippet in batching.test_plan(*plan)]
    return Collected(positions, found, attention)


def _make_step(experiment: Experiment, stage: StageConfig) -> Any:
    network = setup.build_network(experiment, stage, training=False)

    def step(variables: dict[str, Any], batch: Batch) -> dict[str, Array]:
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        found = outputs.features | {"attention": outputs.attention}
        return {name: value for name, value in found.items() if value is not None}

    return step
