"""Updates of each variant, on this process's share of the devices; to a file.

    python tests/train/steps_on_devices.py OUT VARIANT... [ADDRESS PROCESSES INDEX]

A variant is NETWORK/BATCH_NORM/MICROBATCH/STEPS, such as temporal/trained/0/6.
XLA_FLAGS says how many devices are simulated. With an address, several such processes
are one run. Where CHECKPOINTS names a folder, a variant resumes from there.

The pyramid is `smooth` without its signed square roots: those are so steep at zero that
rounding grows some three times with every update, on one device as on many.
"""

import dataclasses
import os
import sys

import jax
import numpy as np
from flax import linen as nn

from configs import demo
from stpn_jax import config as configs
from stpn_jax import parallel
from stpn_jax.arrays import Batch
from stpn_jax.models import backbones, build
from stpn_jax.models.backbones import base
from stpn_jax.train import checkpoint, loop, optimizer, step

BATCH, SIDE = 32, 32
STAGES = {"spatial": 0, "temporal": 1, "pyramid": 2, "smooth": 2}


class Small(base.Base):
    """A layer and its statistics: a backbone would only take longer to compile."""

    @nn.compact
    def __call__(self, x, train=False):
        x = self.conv("conv1", 64, 8, 8, padding=0)(x)
        return nn.relu(self.norm("bn1", is_first=True)(x, train))


def main(path, *arguments):
    variants = [argument for argument in arguments if "/" in argument]
    if others := arguments[len(variants) :]:
        address, processes, index = others
        jax.distributed.initialize(address, int(processes), int(index))
    small = dataclasses.replace(backbones.BACKBONES["tiny"], module=Small)
    backbones.BACKBONES["tiny"] = small
    found = {}
    for variant in variants:
        params, loss = train(*variant.split("/"))
        leaves = jax.tree_util.tree_leaves_with_path(params)
        found |= {
            f"{variant}{jax.tree_util.keystr(key)}": np.asarray(leaf)
            for key, leaf in leaves
        }
        found[f"{variant} loss"] = np.asarray(loss)
    if parallel.is_first_host():
        np.savez(path, **found)


def train(name, batch_norm, microbatch_size, steps):
    config = configs.from_config_dict(demo.get_config())
    stage = dataclasses.replace(
        config.stages[STAGES[name]], batch_norm=batch_norm, dropout=0.5
    )
    fusion = dataclasses.replace(
        config.model.temporal, width=32, signed_sqrt=name != "smooth"
    )
    model = dataclasses.replace(
        config.model,
        temporal=fusion,
        attention=fusion,
        pyramid=fusion,
        sync_batch_norm=True,
    )
    network = build.build(
        model,
        stage,
        classes=5,
        input_size=SIDE,
        resize=False,
        axis_name=parallel.AXIS,
    )
    variables = build.initialise(network, batch(stage, 0, 0, BATCH), 0)
    transform = optimizer.make(stage, variables["params"])
    factors = optimizer.lr_multipliers(stage.lr_multipliers, variables["params"])
    update = parallel.map_update(
        step.make_train_step(network, transform, factors, 7, int(microbatch_size))
    )
    first = step.initial_state(variables, transform)
    checkpoints = None
    if folder := os.environ.get("CHECKPOINTS"):
        checkpoints = checkpoint.Checkpoints(folder, keep=1)
        first = loop.resume(first, checkpoints)
    current = parallel.replicate(first)
    for number in range(int(first.step), int(steps)):
        share = batch(stage, number, *parallel.host())
        current, metrics = update(current, parallel.shard(share))
    if checkpoints:
        progress = {"step": current.step, "opt_state": current.opt_state}
        checkpoints.save(int(steps), current.variables, progress)
        checkpoints.close()
    return current.params, metrics["loss"]


def batch(stage, number, host, hosts):
    """This host's share of the batch of a step."""
    rng = np.random.default_rng(number)
    frames, paths = int(stage.network != "temporal"), stage.paths
    whole = Batch(
        rgb=rng.integers(0, 256, (BATCH, frames, 3, SIDE, SIDE), dtype=np.uint8),
        flow=rng.integers(0, 256, (BATCH, paths, 20, SIDE, SIDE), dtype=np.uint8),
        box=np.tile(np.float32([0, 0, SIDE, SIDE]), (BATCH, 1)),
        flip=rng.random(BATCH) < 0.5,
        label=rng.integers(0, 5, BATCH).astype(np.int32),
        mask=np.ones(BATCH, bool),
        video=np.arange(BATCH, dtype=np.int32),
    )
    count = BATCH // hosts
    return jax.tree.map(lambda x: x[host * count : (host + 1) * count], whole)


if __name__ == "__main__":
    main(*sys.argv[1:])
