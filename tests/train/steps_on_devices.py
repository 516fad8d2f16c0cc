"""Three updates on as many simulated devices as XLA_FLAGS says; params to a file."""

import dataclasses
import sys

import jax
import numpy as np

from configs import demo
from stpn_jax import config as configs
from stpn_jax import parallel
from stpn_jax.arrays import Batch
from stpn_jax.models import networks, settings
from stpn_jax.train import optimizer, state, step


def main(path):
    config = configs.from_config_dict(demo.get_config())
    stage = dataclasses.replace(config.stages[2], batch_norm="frozen", dropout=0.5)
    small = dataclasses.replace(config.model.temporal, width=32)
    model = dataclasses.replace(
        config.model, temporal=small, attention=small, pyramid=small
    )
    made = settings.from_config(
        model, stage, classes=5, input_size=32, resize=False, axis_name=None
    )
    network = networks.build(stage.network, made)
    variables = networks.initialise(network, batch(), 0)
    transform = optimizer.make(stage, variables["params"])
    factors = optimizer.multipliers(stage.multipliers, variables["params"])
    update = parallel.map_update(step.make_train_step(network, transform, factors, 7))
    current = state.create(variables, transform)
    for _ in range(3):
        current, metrics = update(current, parallel.shard(batch()))
    leaves = map(np.asarray, jax.tree.leaves(current.params))
    np.savez(path, *leaves, loss=metrics["loss"])


def batch():
    rng = np.random.default_rng(0)
    return Batch(
        rgb=rng.integers(0, 256, (8, 1, 3, 32, 32), dtype=np.uint8),
        flow=rng.integers(0, 256, (8, 3, 20, 32, 32), dtype=np.uint8),
        box=np.tile(np.float32([0, 0, 32, 32]), (8, 1)),
        flip=rng.random(8) < 0.5,
        label=rng.integers(0, 5, 8).astype(np.int32),
        mask=np.ones(8, bool),
        video=np.arange(8, dtype=np.int32),
    )


if __name__ == "__main__":
    main(sys.argv[1])
