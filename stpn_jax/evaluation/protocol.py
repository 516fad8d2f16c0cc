"""The test protocol: softmax scores averaged over snippets and crops (section 4.7)."""

import itertools
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
        videos: how many the data set has.
        classes: how many it has.
    """
    sums, counts = np.zeros((videos, classes)), np.zeros(videos, np.int64)
    outputs = ((forward(variables, parallel.shard(batch)), batch) for batch in batches)
    # One batch runs on the device while the scores of the one before are added.
    ahead: Iterable[Any] = itertools.chain(outputs, [None])
    for (probabilities, batch), _ in itertools.pairwise(ahead):
        mask = np.asarray(batch.mask)
        video = np.asarray(batch.video)[mask]
        flat = np.asarray(probabilities, np.float64).reshape(-1, classes)
        np.add.at(sums, video, flat[mask])
        np.add.at(counts, video, 1)
    with np.errstate(invalid="ignore"):
        return parallel.sum_over_hosts(sums) / parallel.sum_over_hosts(counts)[:, None]
