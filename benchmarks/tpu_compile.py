"""A training step compiled for a TPU that is not there, beside a textbook ResNet-50.

    python -m benchmarks.tpu_compile --topology=v5e:2x4 --batch=32 --network=pyramid \
        --backbones bn_inception resnet50 --batch_norm=trained

It prints the compiler's estimate of a step's cycles by kind of operation: ours, the
peer's (with --peer; an image network of nn.Conv and nn.BatchNorm, with the same
optimizer and the same input), and the floor. It needs the extra `tpu` and no TPU.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from benchmarks import train_step
from stpn_jax import parallel
from stpn_jax.arrays import Batch, Outputs
from stpn_jax.experiment import compiled_program, tpu
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
    devices = tpu.devices(options.topology)
    for backbone in options.backbones:
        case = train_step.Case(
            options.network,
            backbone,
            options.dtype,
            options.batch,
            options.side,
            options.batch_norm,
        )
        print(case, flush=True)
        report("ours", train_step.network(case), case, devices, options.text)
    if options.peer:
        case = train_step.Case(
            "spatial", "resnet50", options.dtype, options.batch, options.side
        )
        peer = ResNet50(train_step.CLASSES, jnp.dtype(options.dtype))
        report("textbook ResNet-50", peer, case, devices, options.text)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--topology", default="v5e:2x4")
    add("--network", default="spatial", choices=["pyramid", "spatial", "temporal"])
    add("--backbones", nargs="*", default=["resnet50"])
    add("--batch_norm", default="trained", choices=["first", "trained", "frozen"])
    add("--dtype", default="bfloat16")
    add("--batch", type=int, default=32, help="over all devices")
    add("--side", type=int, default=224)
    add("--text", metavar="FILE", help="for the compiled program, readable")
    add("--peer", action="store_true", help="also the textbook ResNet-50")
    return parser.parse_args(arguments)


def report(name: str, network: nn.Module, case: Any, devices: list, text: str) -> None:
    """Prints the estimate of one network's step."""
    started = time.perf_counter()
    compiled = compile_update(network, case, devices)
    seconds = time.perf_counter() - started
    program = compiled_program.Program(compiled.as_text())
    kinds = compiled_program.cycles_by_kind(program)
    total = sum(kinds.values())
    if text:
        with open(text, "w") as file:
            file.write(compiled.as_text())
    memory = compiled.memory_analysis()
    print(
        f"  {name}: {total / 1e6:.2f} M cycles, compiled in {seconds:.0f} s, "
        f"{memory.temp_size_in_bytes / 1e9:.2f} GB of temporaries"
    )
    for kind, cycles in kinds.items():
        print(f"    {kind:20s}{cycles / 1e6:8.2f} M {100 * cycles / total:5.1f} %")
    print(f"    without an estimate: {compiled_program.uncounted(program)}", flush=True)
    dearest = sorted(
        (x for x in program.executed if x.instruction.cycles),
        key=lambda x: -x.times * x.instruction.cycles,
    )
    for one, times in dearest[:10]:
        path, direction = compiled_program.module_path(one.op_name)
        cycles = times * one.cycles / 1e6
        print(f"    {cycles:8.3f} M  {program.kind(one)}, {path}, {direction}")


def compile_update(network: nn.Module, case: Any, devices: list) -> Any:
    """The mapped update of a network of this case, compiled for the devices."""
    stage = train_step._stage(case)
    batch = jax.eval_shape(lambda: train_step.made(case._replace(batch=1)))

    def variables() -> dict[str, Any]:
        made = network.init(jax.random.key(0), batch_of(batch, 1))
        return {"batch_stats": {}, "sketches": {}} | dict(made)

    def batch_of(shapes: Batch, count: int) -> Batch:
        return jax.tree.map(lambda x: jnp.zeros((count, *x.shape[1:]), x.dtype), shapes)

    shapes = jax.eval_shape(variables)
    transform: optax.GradientTransformation = optimizer.make(stage, shapes["params"])
    factors = optimizer.lr_multipliers((), shapes["params"])
    update: Callable = steps.make_train_step(network, transform, factors, 0)
    state = jax.eval_shape(lambda v: steps.initial_state(v, transform), shapes)
    share = case.batch // len(devices)
    given = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((len(devices), share, *x.shape[1:]), x.dtype),
        batch,
    )
    return parallel.map_update(update, devices).lower(state, given).compile()


if __name__ == "__main__":
    main()
