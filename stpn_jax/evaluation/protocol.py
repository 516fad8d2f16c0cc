"""The test protocol: softmax scores averaged over snippets and crops (section 4.7)."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Float64

from stpn_jax import parallel
from stpn_jax.arrays import AnyBatch, Array

Forward = Callable[[dict[str, Any], AnyBatch], Array]


def score(
    forward: Forward,
    variables: dict[str, Any],
    batches: Iterable[AnyBatch],
    videos: int,
    classes: int,
) -> Float64[np.ndarray, "videos classes"]:
    """Mean probabilities of every video over its samples on all hosts.

    Padded samples are masked out, none is dropped; videos without samples are NaN.

    Args:
        forward: mapped over devices: (variables, sharded batch) -> probabilities.
        variables: of the network.
        batches: this host's share.
        videos: number of videos in the data set.
        classes: number of classes.
    """
    sums, counts = np.zeros((videos, classes)), np.zeros(videos, np.int64)

    def add(probabilities: Array, batch: AnyBatch) -> None:
        mask = np.asarray(batch.mask)
        video = np.asarray(batch.video)[mask]
        flat = np.asarray(probabilities, np.float64).reshape(-1, classes)
        np.add.at(sums, video, flat[mask])
        np.add.at(counts, video, 1)

    pending: tuple[Array, AnyBatch] | None = None
    for batch in batches:
        # One batch runs on the device while the scores of the last are added.
        running = forward(variables, parallel.shard(batch)), batch
        if pending:
            add(*pending)
        pending = running
    if pending:
        add(*pending)
    with np.errstate(invalid="ignore"):
        return parallel.sum_over_hosts(sums) / parallel.sum_over_hosts(counts)[:, None]
