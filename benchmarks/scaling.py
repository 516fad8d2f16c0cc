"""Weak scaling on simulated devices, and a model of the step time on pods.

    python -m benchmarks.scaling --snippets_per_core=130
    python -m benchmarks.scaling --counts --flops=56e9 --parameters=21.3e6

One machine cannot tell how N devices scale, since they share its cores. It can tell
what the mapped step costs beside the work: N devices with the same samples each do N
times the work of one, and one device with all the samples does as much without an
all-reduce. The all-reduce's bytes are taken from the compiled program. The model is

    step = max(input, compute + exposed), all of one batch
    compute = batch a device * flops a sample / (peak * utilisation)
    exposed = max(0, all-reduce - overlap * compute)
    all-reduce = 2 * (N - 1) / N * parameters * 4 / bandwidth of the slowest link
    input = batch a host / (snippets a second and core * cores)
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import measure, train_step
from stpn_jax.experiment import compile_estimate, compiled_program


class Pod(NamedTuple):
    """Devices of one kind.

    Attributes:
        devices: of all hosts.
        per_host: devices of a host.
        cores: of a host, as its system counts them: two may share a physical one, and
            then read less than two.
        peak: TFLOP/s of a device in bfloat16, dense.
        link: GB/s that a device sends in a ring over all, by its data sheet.
    """

    devices: int
    per_host: int
    cores: int
    peak: float
    link: float


# v5e: https://cloud.google.com/tpu/docs/v5e has 197 TFLOP/s, 224 vCPU for eight chips,
# 112 for four, and 400 GB/s a chip, both ways, over four ports: 50 a port and way, of
# which a ring that turns both ways uses two ports. Not verified: that 8x8 chips come as
# hosts of four (as hosts of eight they have as many cores a chip).
# H100 SXM: 989 TFLOP/s (1979 is with sparsity) and NVLink of 900 GB/s both ways, after
# https://glennklockwood.com/garden/processors/h100, which quotes NVIDIA. Eight ports of
# 400 Gb/s a host: mlcommons/inference_results_v3.1, XE9680_H100_SXM_80GBx8_TRT.json.
# 192 vCPU: EC2's p5.48xlarge, as meta-pytorch/torchx lists it; others differ.
# What a ring reaches of these links has not been measured.
PODS = {
    "TPU v5e-8": Pod(8, 8, 224, 197, 100),
    "TPU v5e-64": Pod(64, 4, 112, 197, 100),
    "8 x H100": Pod(8, 8, 192, 989, 450),
    "64 x H100, 400 Gb/s each": Pod(64, 8, 192, 989, 50),
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    if options.only:
        print(" ".join(map(str, alone(options.only, options))))
        return
    print(measure.environment())
    if options.counts:
        weak_scaling(options)
    table(options)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--counts", type=int, nargs="*", default=[1, 2, 4, 8], help="of devices")
    add("--backbone", default="tiny")
    add("--batch", type=int, default=8, help="of a simulated device")
    add("--side", type=int, default=32)
    add("--repeats", type=int, default=10)
    add("--flops", type=float, default=56e9, help="of a sample, from train_step")
    add("--parameters", type=float, default=21.3e6)
    add("--utilisation", type=float, default=0.4, help="of the peak, from train_step")
    add("--overlap", type=float, default=0.0, help="share of compute beside which")
    add("--batch_per_device", type=int, default=32, help="of the model")
    add("--snippets_per_core", type=float, default=130, help="from input_pipeline")
    add("--only", type=int, help="this many devices, in this process")
    return parser.parse_args(arguments)


def weak_scaling(options: argparse.Namespace) -> None:
    """Prints the time of a step on N simulated devices and on one with all samples."""
    for count in options.counts:
        many, found, traced = _elsewhere(count, options.batch, options)
        one, _, _ = _elsewhere(1, options.batch * count, options)
        print(
            f"{count} devices of {options.batch}: {1e3 * many:.1f} ms, one of "
            f"{options.batch * count}: {1e3 * one:.1f} ms, {many / one:.2f}x; "
            f"{found:.0f} all-reduces of {traced / 1e6:.2f} MB",
            flush=True,
        )


def _elsewhere(
    count: int, batch: int, options: argparse.Namespace
) -> tuple[float, float, float]:
    """What alone() finds in a process that has so many devices."""
    command = [sys.executable, "-m", "benchmarks.scaling", f"--only={count}"]
    command += [f"--batch={batch}", f"--side={options.side}"]
    command += [f"--backbone={options.backbone}", f"--repeats={options.repeats}"]
    flags = f"--xla_force_host_platform_device_count={count}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    ended = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    seconds, number, size = map(float, ended.stdout.split())
    return seconds, number, size


def alone(count: int, options: argparse.Namespace) -> tuple[float, int, int]:
    """Seconds of a step, and number and bytes of its all-reduces."""
    case = train_step.Case(
        "pyramid", options.backbone, "float32", count * options.batch, options.side
    )
    update, current, batch = train_step.prepared(case)
    program = update.lower(current, batch).compile()
    call = train_step.stepping(program, current, batch)
    seconds = measure.clock({"": call}, options.repeats)[""]
    sent = compile_estimate.collectives(compiled_program.Program(program.as_text()))
    found = sent.get("all-reduce", {"count": 0, "bytes": 0})
    return seconds, found["count"], found["bytes"]


class Step(NamedTuple):
    """Seconds of the parts of a step."""

    compute: float
    all_reduce: float
    input: float
    total: float


def model(pod: Pod, options: argparse.Namespace) -> Step:
    """The formulae of the module's docstring."""
    batch = options.batch_per_device
    compute = batch * options.flops / (pod.peak * 1e12 * options.utilisation)
    ring = 2 * (pod.devices - 1) / pod.devices
    all_reduce = ring * options.parameters * 4 / (pod.link * 1e9)
    exposed = max(0.0, all_reduce - options.overlap * compute)
    read = batch * pod.per_host / (options.snippets_per_core * pod.cores)
    return Step(compute, all_reduce, read, max(read, compute + exposed))


def table(options: argparse.Namespace) -> None:
    print(
        "milliseconds     compute  all-reduce    input     step   clips/s  cores/host"
    )
    for name, pod in PODS.items():
        step = model(pod, options)
        rate = options.batch_per_device * pod.devices / step.total
        busy = step.compute + max(0.0, step.all_reduce - options.overlap * step.compute)
        cores = (
            options.batch_per_device * pod.per_host / busy / options.snippets_per_core
        )
        times = [1e3 * seconds for seconds in step]
        print(
            f"{name}\n{'':15s}{times[0]:9.1f}{times[1]:12.2f}{times[2]:9.1f}"
            f"{times[3]:9.1f}{rate:10.0f}{cores:12.0f}"
        )


if __name__ == "__main__":
    main()
