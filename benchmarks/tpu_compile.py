"""A training step compiled for a TPU that is not there, beside a textbook ResNet-50.

    python -m benchmarks.tpu_compile --topology=v5e:2x4 --batch=32 --network=pyramid \
        --backbones bn_inception resnet50 --batch_norm=trained

It prints the compiler's estimate of a step: ours, and with --peer an image network of
nn.Conv and nn.BatchNorm with the same optimizer and the same input. The floor is
benchmarks.train_step's, of one chip. It needs the extra `tpu` and no TPU.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from benchmarks import train_step
from stpn_jax import parallel
from stpn_jax.arrays import Batch, Outputs
from stpn_jax.experiment import compile_estimate, compile_jobs, tpu
from stpn_jax.train import optimizer
from stpn_jax.train import step as steps


class Block(nn.Module):
    """1x1, 3x3, 1x1, and the input added."""

    width: int
    stride: int
    dtype: Any

    @nn.compact
    def __call__(self, x, train):
        norm = lambda: nn.BatchNorm(not train, momentum=0.9, dtype=self.dtype)  # noqa: E731
        conv = lambda width, kernel, stride=1: nn.Conv(  # noqa: E731
            width, (kernel,) * 2, (stride,) * 2, use_bias=False, dtype=self.dtype
        )
        y = nn.relu(norm()(conv(self.width, 1)(x)))
        y = nn.relu(norm()(conv(self.width, 3, self.stride)(y)))
        y = norm()(conv(4 * self.width, 1)(y))
        if x.shape != y.shape:
            x = norm()(conv(4 * self.width, 1, self.stride)(x))
        return nn.relu(x + y)


class ResNet50(nn.Module):
    """ResNet-50 (He et al. 2016) as a textbook has it, on the frames of a batch."""

    classes: int
    dtype: Any

    @nn.compact
    def __call__(self, batch: Batch, keys=None, train=False):
        x = batch.rgb[:, 0].transpose(0, 2, 3, 1).astype(self.dtype)
        x = (x - jnp.array([124.0, 116, 104], self.dtype)) / 58
        x = nn.Conv(64, (7, 7), (2, 2), use_bias=False, dtype=self.dtype)(x)
        x = nn.relu(nn.BatchNorm(not train, momentum=0.9, dtype=self.dtype)(x))
        x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
        for stage, count in enumerate((3, 4, 6, 3)):
            for index in range(count):
                stride = 2 if stage and not index else 1
                x = Block(64 * 2**stage, stride, self.dtype)(x, train)
        x = nn.Dense(self.classes, dtype=self.dtype)(x.mean((1, 2)))
        return Outputs(x, None, {})


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    devices, chip = tpu.devices(options.topology), tpu.chip(options.topology)
    for backbone in options.backbones:
        case = train_step.Case(
            options.network,
            backbone,
            options.dtype,
            options.batch,
            options.side,
            options.batch_norm,
        )
        share = case._replace(batch=case.batch // len(devices))
        floor = train_step.roofline(share, chip.peak * 1e12, chip.bandwidth * 1e9)
        print(f"{case}: floor {1e3 * floor:.2f} ms", flush=True)
        report("ours", train_step.network(case), case, devices, options)
    if options.peer:
        case = train_step.Case(
            "spatial", "resnet50", options.dtype, options.batch, options.side
        )
        peer = ResNet50(train_step.CLASSES, jnp.dtype(options.dtype))
        report("textbook ResNet-50", peer, case, devices, options)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--topology", default="v5e:2x4", help=tpu.EXAMPLES)
    add("--network", default="spatial", choices=["pyramid", "spatial", "temporal"])
    add("--backbones", nargs="*", default=["resnet50"])
    add("--batch_norm", default="trained", choices=["first", "trained", "frozen"])
    add("--dtype", default="bfloat16")
    add("--batch", type=int, default=32, help="over all chips")
    add("--side", type=int, default=224)
    add("--peer", action="store_true", help="also the textbook ResNet-50")
    add("--text", metavar="FOLDER", help="for the compiled programs, readable")
    return parser.parse_args(arguments)


def report(
    name: str,
    network: nn.Module,
    case: train_step.Case,
    devices: list[jax.Device],
    options: argparse.Namespace,
) -> None:
    """Prints the estimate of one network's step."""
    job = update(name, network, case, devices)
    compiled, seconds = compile_jobs.compiled(job)
    chip = tpu.chip(options.topology)
    found = compile_estimate.estimate(compiled, chip, len(devices))
    print(f"{name}, compiled in {seconds:.0f} s")
    print("\n".join(f"  {x}" for x in compile_estimate.lines(found, chip)), flush=True)
    if options.text:
        folder = pathlib.Path(options.text)
        folder.mkdir(parents=True, exist_ok=True)
        file = f"{name}-{case.network}-{case.backbone}-{case.batch_norm}.txt"
        (folder / file.replace(" ", "_")).write_text(compiled.as_text())


def update(
    name: str, network: nn.Module, case: train_step.Case, devices: list[jax.Device]
) -> compile_jobs.Job:
    """The update of a network, as training maps it."""
    stage = train_step._stage(case)
    batch = jax.eval_shape(lambda: train_step.made(case._replace(batch=1)))
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = {"batch_stats": {}, "sketches": {}}
    variables |= jax.eval_shape(network.init, key, batch)
    transform = optimizer.make(stage, variables["params"])
    factors = optimizer.lr_multipliers((), variables["params"])
    step = steps.make_train_step(network, transform, factors, 0)
    state = jax.eval_shape(lambda v: steps.initial_state(v, transform), variables)
    share = case.batch // len(devices)
    given = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((len(devices), share, *x.shape[1:]), x.dtype),
        batch,
    )
    mapped = parallel.map_update(step, devices)
    return compile_jobs.Job(
        name, name, lambda: mapped.lower(state, given), len(devices), given
    )


if __name__ == "__main__":
    main()
