"""The test protocol: every sample counts once, padding never."""

import itertools

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
    scores = protocol.score(forward, {"scale": 0.1}, batches, videos=4, classes=2)
    np.testing.assert_allclose(scores[:, 0], [0.1, 0.2, 0.3, np.nan], rtol=1e-6)


def test_scores_are_means_whatever_the_batches():
    rng = np.random.default_rng(0)
    probabilities = rng.random((8, 3)).astype(np.float32)
    video = np.array([0, 0, 1, 1, 2, 2, -1, -1], np.int32)
    expected = probabilities[:6].reshape(3, 2, 3).mean(axis=1)
    for cuts in ((0, 8), (0, 3, 8)):
        parts = [slice(*ends) for ends in itertools.pairwise(cuts)]
        outputs = iter([probabilities[part] for part in parts])
        batches = [batch(video[part]) for part in parts]
        forward = lambda *_, outputs=outputs: next(outputs)  # noqa: E731
        scores = protocol.score(forward, {}, batches, 3, 3)
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
