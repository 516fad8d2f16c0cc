"""The protocol: every sample counts once, padding never."""

import jax
import numpy as np

from stpn_jax.arrays import Batch
from stpn_jax.evaluation import protocol


def batch(videos):
    videos = np.array(videos, np.int32)
    unused = np.zeros((len(videos), 0), np.uint8)
    return Batch(
        rgb=unused,
        flow=unused,
        box=np.zeros((len(videos), 4), np.float32),
        flip=np.zeros(len(videos), bool),
        label=np.maximum(videos, 0),
        mask=videos >= 0,
        video=videos,
    )


def test_scores_are_means_over_samples_whatever_the_padding():
    assert jax.local_device_count() == 1

    def forward(variables, sharded):
        # Probability of class 0 tells video and call apart.
        first = variables["scale"] * (sharded.video + 1)
        return np.stack([first, 1 - first], axis=-1).astype(np.float32)

    batches = [batch([0, 0, 1]), batch([1, 2, -1])]
    scores = protocol.score(forward, {"scale": 0.1}, batches, videos=3, classes=2)
    assert scores.counts.tolist() == [2, 2, 1]
    np.testing.assert_allclose(
        scores.probabilities(np.arange(3))[:, 0], [0.1, 0.2, 0.3], rtol=1e-6
    )
