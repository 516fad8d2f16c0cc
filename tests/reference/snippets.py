"""Random batches, for tests that need no records."""

import numpy as np

from stpn_jax.arrays import Batch


def batch(
    samples: int = 2, frames: int = 1, paths: int = 3, side: int = 32, classes: int = 5
) -> Batch:
    """Snippets of noise whose crop is the whole canvas; every other one is mirrored."""
    rng = np.random.default_rng(0)
    return Batch(
        rgb=rng.integers(0, 256, (samples, frames, 3, side, side), dtype=np.uint8),
        flow=rng.integers(0, 256, (samples, paths, 20, side, side), dtype=np.uint8),
        box=np.tile(np.float32([0, 0, side, side]), (samples, 1)),
        flip=np.arange(samples) % 2 == 1,
        label=rng.integers(0, classes, samples).astype(np.int32),
        mask=np.ones(samples, bool),
        video=np.arange(samples, dtype=np.int32),
    )
