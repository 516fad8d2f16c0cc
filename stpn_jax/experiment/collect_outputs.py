"""What a network makes of some test videos: features, and where it looks."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from stpn_jax import parallel
from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.config import EvaluationConfig, StageConfig
from stpn_jax.experiment import checkpoint_selection, setup
from stpn_jax.experiment.setup import Experiment
from stpn_jax.input_pipeline import batching, sampling

MOST_VIDEOS = 300
MOST_CLASSES = 16
CHOSEN_CLASSES = 10  # of more: as many as the paper's Figure 5 has


@dataclasses.dataclass(frozen=True)
class Observed:
    """One snippet and the central view of each of some videos.

    Attributes:
        moments: when the snippets are, in the order of the videos.
        features: by name, a row a video.
        attention: over the grid of the crop; None without attention.
    """

    moments: list[sampling.Moment]
    features: dict[str, Float[np.ndarray, "n _"]]
    attention: Float[np.ndarray, "n h w"] | None


def choose(labels: Int[np.ndarray, "n"], seed: int) -> Int[np.ndarray, "_"]:
    """Places of the videos to look at: of some classes if there are many."""
    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    if len(classes) > MOST_CLASSES:
        classes = rng.choice(classes, CHOSEN_CLASSES, replace=False)
    places = np.flatnonzero(np.isin(labels, classes))
    if len(places) > MOST_VIDEOS:
        places = np.sort(rng.choice(places, MOST_VIDEOS, replace=False))
    return places


def observe(
    experiment: Experiment, stage: StageConfig, videos: Int[np.ndarray, "n"]
) -> Observed:
    """Runs a stage's network on these videos, shared by all hosts.

    A snippet has one RGB frame, so that its attention belongs to that frame alone.
    """
    config, dataset = experiment.config, experiment.dataset
    plan = (dataset, videos, config.data, _shape(experiment, stage), _quick(experiment))
    host, hosts = parallel.host()
    forward = parallel.map_forward(_make_step(experiment, stage))
    variables = parallel.replicate(checkpoint_selection.restore(experiment, stage))
    rows = {video: row for row, video in enumerate(videos.tolist())}
    found: dict[str, np.ndarray] = {}
    for batch in batching.test_batches(*plan, host=host, hosts=hosts):
        outputs = forward(variables, parallel.shard(batch))
        places = [rows[video] for video in batch.video[batch.mask].tolist()]
        for name, value in outputs.items():
            sharded = np.asarray(value, np.float32)
            values = sharded.reshape(-1, *sharded.shape[2:])
            empty = np.zeros((len(videos), *values.shape[1:]), np.float32)
            found.setdefault(name, empty)[places] = values[batch.mask]
    # A video is on one host, and its row is zero on the others.
    found = {name: parallel.sum_over_hosts(found[name]) for name in sorted(found)}
    attention = found.pop(_ATTENTION, None)
    moments = [snippet.moment for snippet in batching.test_plan(*plan)]
    return Observed(moments, found, attention)


_ATTENTION = "attention"


def _make_step(experiment: Experiment, stage: StageConfig) -> Any:
    network = setup.build_network(experiment, stage, training=False)

    def step(variables: dict[str, Any], batch: Batch) -> dict[str, Array]:
        outputs: Outputs = network.apply(variables, batch)  # type: ignore[assignment]
        attention = outputs.attention
        maps = {} if attention is None else {_ATTENTION: attention}
        return outputs.features | maps

    return step


def _shape(experiment: Experiment, stage: StageConfig) -> sampling.SnippetShape:
    return setup.snippet_shape(experiment.config, stage, frames=1)


def _quick(experiment: Experiment) -> EvaluationConfig:
    return dataclasses.replace(
        experiment.config.evaluation, snippets=1, views=1, frames=1, centres="even"
    )
