"""The test protocol: softmax scores averaged over snippets and views (section 4.7)."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from stpn_jax import parallel
from stpn_jax.arrays import AnyBatch, Array
from stpn_jax.evaluation.metrics import Scores

Forward = Callable[[dict[str, Any], AnyBatch], Array]


def score(
    forward: Forward,
    variables: dict[str, Any],
    batches: Iterable[AnyBatch],
    videos: int,
    classes: int,
) -> Scores:
    """Scores of every video that the batches of all hosts cover.

    Args:
        forward: mapped over devices: (variables, sharded batch) -> probabilities.
        variables: of the network.
        batches: this host's share.
        videos: number of videos in the data set.
        classes: number of classes.
    """
    scores = Scores.empty(videos, classes)
    pending: tuple[Array, AnyBatch] | None = None
    for batch in batches:
        # One batch runs on the device while the scores of the last are added.
        running = forward(variables, parallel.shard(batch)), batch
        if pending:
            _add(scores, *pending)
        pending = running
    if pending:
        _add(scores, *pending)
    return Scores(
        parallel.sum_over_hosts(scores.sums), parallel.sum_over_hosts(scores.counts)
    )


def _add(scores: Scores, probabilities: Array, batch: AnyBatch) -> None:
    flat = np.asarray(probabilities).reshape(-1, scores.sums.shape[1])
    scores.add(flat, np.asarray(batch.video), np.asarray(batch.mask))
