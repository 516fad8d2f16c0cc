"""A training step, ours and the same network's in torch in one run: clips a second.

    python -m benchmarks.train_step --peak=790 --bandwidth=4800 --largest=512

Forward, backward and SGD of the whole pyramid (one image, three paths of ten flows) or
of one stream, on a made batch that lies on the device. torch has channels_last,
autocast where bfloat16 is asked for, and torch.compile. The floor takes for each
convolution and each matrix product the longer of its operations at --peak and its
arrays at --bandwidth (either is measured where it is not given), with SGD's traffic.
With --largest each library is tried at batches twice as large as long as that pays, in
processes of their own. Parameters and outputs of both networks are compared first.
"""

import argparse
import importlib.util
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from jax import extend

from benchmarks import measure
from stpn_jax import config as configs
from stpn_jax import parallel
from stpn_jax.arrays import Batch
from stpn_jax.models import build
from stpn_jax.ops import count_sketch
from stpn_jax.train import optimizer
from stpn_jax.train import step as steps

BACKBONES = "bn_inception", "resnet50", "vgg16"
LIBRARIES = "ours", "torch", "torch.compile"
CLASSES, WIDTH, FLOWS = 101, 4096, 20
_PAYS = 1.03
_SGD = 5  # reads parameter, momentum and gradient, writes the first two


class Case(NamedTuple):
    """What is trained."""

    network: str
    backbone: str
    dtype: str
    batch: int
    side: int
    batch_norm: str = "trained"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    if options.only:
        alone(_cases(options)[0], options.only, options.repeats, options.kernels)
        return
    print(measure.environment())
    bandwidth = (options.bandwidth or measure.bandwidth() / 1e9) * 1e9
    for case in _cases(options):
        peak = options.peak * 1e12 if options.peak else measure.peak_flops(case.dtype)
        print(f"{case}: {peak / 1e12:.2f} TFLOP/s, {bandwidth / 1e9:.0f} GB/s")
        names = [x for x in options.libraries if x == "ours" or _has_peer(case)]
        rates = compare(case, names, options.repeats)
        floor = case.batch / roofline(case, peak, bandwidth)
        shares = [f"{name} at {rate / floor:.2f}" for name, rate in rates.items()]
        print(f"  floor {floor:.2f} clips/s; {', '.join(shares)} of it")
        if options.deterministic:
            flags = "--xla_gpu_deterministic_ops=true"
            rate = _elsewhere(case, "ours", options.repeats, flags)
            result = "fails" if rate is None else f"{rate:.2f} clips/s"
            print(f"  ours with {flags}: {result}", flush=True)
        for name in names if options.largest > case.batch else []:
            best, rate = search(case, name, options.repeats, options.largest)
            print(f"  {name}: best at {best}, {rate:.2f} clips/s", flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--network", default="pyramid", choices=["pyramid", "spatial", "temporal"])
    add("--backbones", nargs="+", default=BACKBONES, help="also efficientnet_lite0")
    add("--dtypes", nargs="+", default=["bfloat16", "float32"])
    add("--batch", type=int, default=32)
    add("--largest", type=int, default=0, help="batch of the search for the best one")
    add("--side", type=int, default=224, help="of the input, in pixels")
    add("--repeats", type=int, default=10)
    add("--bandwidth", type=float, help="of the device, in GB/s")
    add("--peak", type=float, help="of the device, in TFLOP/s, for all dtypes")
    add("--libraries", nargs="+", default=LIBRARIES, choices=LIBRARIES)
    add("--deterministic", action="store_true", help="cost of deterministic operations")
    add("--only", choices=LIBRARIES, help="one rate alone")
    add("--kernels", action="store_true", help="with --only: their time on the GPU")
    return parser.parse_args(arguments)


def _cases(options: argparse.Namespace) -> list[Case]:
    return [
        Case(options.network, backbone, dtype, options.batch, options.side)
        for backbone in options.backbones
        for dtype in options.dtypes
    ]


def _has_peer(case: Case) -> bool:
    """Whether torch is installed, and the network written in it."""
    if not importlib.util.find_spec("torch"):
        return False
    from benchmarks import torch_networks

    return case.backbone in torch_networks.NETWORKS


def compare(case: Case, names: Sequence[str], repeats: int) -> dict[str, float]:
    """Prints and returns the clips a second of all, one step of each in turn."""
    calls = {name: _step(case, name) for name in names}
    if "torch" in names:
        print(f"  {agreement(case)}", flush=True)
    seconds = measure.clock(calls, repeats)
    rates = {name: case.batch / time for name, time in seconds.items()}
    for name, rate in rates.items():
        line = f"  {name:14s} {rate:9.2f} clips/s ({1e3 * seconds[name]:.1f} ms)"
        if name != "ours" and "ours" in rates:
            line += f", ours {rates['ours'] / rate:.2f}x"
        print(line, flush=True)
    return rates


def alone(case: Case, name: str, repeats: int, kernels: bool) -> None:
    """Prints the clips a second of one of them, with the device to itself."""
    call = _step(case, name)
    rate = case.batch / measure.clock({name: call}, repeats)[name]
    print(f"{rate:.3f} clips/s", flush=True)
    if kernels and name == "ours":
        print(measure.kernels(call))
    elif kernels:
        from benchmarks import torch_step

        print(torch_step.kernels(call))


def search(case: Case, name: str, repeats: int, largest: int) -> tuple[int, float]:
    """The batch from which twice as many do not pay, or do not fit, and its rate."""
    best, rate = case.batch, _elsewhere(case, name, repeats) or 0.0
    while 2 * best <= largest:
        found = _elsewhere(case._replace(batch=2 * best), name, repeats)
        if found is None or found < _PAYS * rate:
            break
        best, rate = 2 * best, found
    return best, rate


def _elsewhere(case: Case, name: str, repeats: int, flags: str = "") -> float | None:
    """Clips a second in a process of its own; None if it fails, as without memory."""
    command = [sys.executable, "-m", "benchmarks.train_step", f"--only={name}"]
    command += [f"--network={case.network}", f"--backbones={case.backbone}"]
    command += [f"--dtypes={case.dtype}", f"--batch={case.batch}"]
    command += [f"--side={case.side}", f"--repeats={repeats}"]
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    environment = os.environ | {"XLA_FLAGS": flags}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    found = re.search(r"([\d.]+) clips/s", ended.stdout)
    if ended.returncode == 0 and found:
        return float(found[1])
    reason = ended.stderr.strip().rpartition("\n")[2]
    print(f"  {name} fails at {case.batch}: {reason[:200]}", flush=True)
    return None


def _step(case: Case, name: str) -> Callable[[], Any]:
    if name == "ours":
        return ours(case)
    from benchmarks import torch_step

    own, first = network(case), made(case._replace(batch=1))
    sketches = build.initialise_levels(own, first, 0)["sketches"]
    peer = _in_torch(case, sketches)
    return torch_step.step(peer, made(case), case.dtype, name == "torch.compile")


def ours(case: Case) -> Callable[[], Any]:
    """The update that training maps over the devices, on a state of its own."""
    return stepping(*prepared(case))


def stepping(
    update: Callable, current: steps.TrainState, batch: Batch
) -> Callable[[], None]:
    """One update after the other on the same batch; each call waits for its own."""
    held = [current]

    def call() -> None:
        held[0], metrics = update(held[0], batch)
        jax.block_until_ready((held[0], metrics))

    return call


def prepared(case: Case) -> tuple[Callable, steps.TrainState, Batch]:
    """The mapped update, its first state, and its batch on the devices."""
    variables = initial(case)
    stage = _stage(case)
    transform = optimizer.make(stage, variables["params"])
    factors = optimizer.lr_multipliers((), variables["params"])
    step = steps.make_train_step(network(case), transform, factors, 0)
    current = parallel.replicate(steps.initial_state(variables, transform))
    batch = jax.pmap(lambda x: x, parallel.AXIS)(parallel.shard(made(case)))
    return parallel.map_update(step), current, batch


def network(case: Case) -> Any:
    """The network as a config would have it."""
    fusion = configs.FusionConfig("stcb", WIDTH, True, True, 0.0)
    model = configs.ModelConfig(
        backbone=case.backbone,
        weights="none",
        flow_weights="",
        head="new",
        dtype=case.dtype,  # type: ignore[arg-type]
        sketch_seed=0,
        temporal=fusion,
        attention=fusion,
        attention_from="both",
        attention_hidden=64,
        attention_activation="relu",
        pyramid=fusion,
        sync_batch_norm=False,
    )
    return build.build(
        model,
        _stage(case),
        classes=CLASSES,
        input_size=case.side,
        resize=False,
        axis_name=parallel.AXIS,
    )


def initial(case: Case) -> dict[str, Any]:
    return build.initialise(network(case), made(case._replace(batch=1)), 0)


def _stage(case: Case) -> configs.StageConfig:
    return configs.StageConfig(
        name=case.network,
        network=case.network,  # type: ignore[arg-type]
        paths=_paths(case),
        init=(),
        steps=1,
        batch=case.batch,
        learning_rate=1e-3,
        lr_milestones=(),
        lr_decay=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        max_grad_norm=20.0,
        dropout=0.5,
        batch_norm=case.batch_norm,  # type: ignore[arg-type]
        lr_multipliers=(),
        cached_crops=0,
        trained_on="train",
        select="last",
    )


def _paths(case: Case) -> int:
    return {"pyramid": 3, "spatial": 0, "temporal": 1}[case.network]


def made(case: Case) -> Batch:
    """A batch of noise, whole images, none of them mirrored."""
    rng = np.random.default_rng(0)
    count, side = case.batch, case.side
    frames = int(case.network != "temporal")
    noise = lambda *shape: rng.integers(0, 256, shape, np.uint8)  # noqa: E731
    return Batch(
        rgb=noise(count, frames, 3, side, side),
        flow=noise(count, _paths(case), FLOWS, side, side),
        box=np.tile(np.float32([0, 0, side, side]), (count, 1)),
        flip=np.zeros(count, bool),
        label=rng.integers(0, CLASSES, count).astype(np.int32),
        mask=np.ones(count, bool),
        video=np.arange(count, dtype=np.int32),
    )


def agreement(case: Case) -> str:
    """Says how many parameters both have, and how far apart their outputs are.

    In float32, on two snippets, with weights handed over.
    """
    from benchmarks import torch_step

    case = case._replace(batch=2, dtype="float32")
    variables, batch = initial(case), made(case)
    # A classifier's initial weights are so small that nothing could be seen.
    variables["params"]["classifier"]["dense"]["kernel"] *= 100
    peer = _in_torch(case, variables["sketches"])
    peer.take(variables["params"], variables["batch_stats"])
    count = sum(x.size for x in jax.tree.leaves(variables["params"]))
    others = sum(p.numel() for p in peer.parameters())
    if count != others:
        raise ValueError(f"{case}: {count} parameters, in torch {others}")
    apply = jax.jit(lambda v, b: network(case).apply(v, b).logits)
    with jax.default_matmul_precision("highest"):
        found = np.asarray(apply(variables, batch))
    expected = torch_step.logits(peer, batch)
    distance = np.abs(found - expected).max() / np.abs(expected).max()
    return f"{count} parameters in both, outputs {distance:.1e} apart"


def _in_torch(case: Case, sketches: Any) -> Any:
    from benchmarks import torch_networks

    levels = {
        level: jax.tree.map(np.asarray, kept["fusion"]["operator"])
        for level, kept in sketches.items()
    }
    return torch_networks.Network(case.network, case.backbone, CLASSES, levels, WIDTH)


def roofline(case: Case, peak: float, bandwidth: float) -> float:
    """Seconds that a step takes at least on one device.

    The backward pass of a product is two of its size; there is none to the input of a
    stream's first convolution.
    """
    variables = jax.eval_shape(lambda: initial(case))
    shapes = jax.eval_shape(lambda: made(case))
    # A sketch moves numbers; that it may be a matrix product is no need of its own.
    with mock.patch.object(count_sketch, "project", count_sketch._by_segment_sum):
        apply = lambda v, b: network(case).apply(v, b)  # noqa: E731
        program = jax.make_jaxpr(apply)(variables, shapes)
    size = jnp.dtype(case.dtype).itemsize
    parameters = sum(math.prod(x.shape) for x in jax.tree.leaves(variables["params"]))
    seconds = 4 * _SGD * parameters / bandwidth
    for operations, numbers, first in _products(program.jaxpr):
        times = 2 if first else 3
        seconds += times * max(operations / peak, size * numbers / bandwidth)
    return seconds


def _products(jaxpr: Any) -> Iterator[tuple[float, int, bool]]:
    """Operations, numbers read and written, and whether it sees the input, of each."""
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        shapes = [x.aval.shape for x in (*equation.invars, *equation.outvars)]
        if name == "conv_general_dilated":
            _, kernel, out = shapes
            work = 2 * math.prod(out) * math.prod(kernel[:3])
            yield work, sum(map(math.prod, shapes)), kernel[2] in (3, FLOWS)
        elif name == "dot_general":
            left, _, out = shapes
            axes = equation.params["dimension_numbers"][0][0]
            work = 2 * math.prod(out) * math.prod(left[i] for i in axes)
            yield work, sum(map(math.prod, shapes)), False
        elif name == "cond":  # The last branch is that of any platform.
            yield from _products(equation.params["branches"][-1].jaxpr)
        else:
            for inner in extend.core.jaxprs_in_params(equation.params):
                yield from _products(inner)


if __name__ == "__main__":
    main()
