"""How long the full-size recipes take: all stages of a config, on one device or a pod.

    python -m benchmarks.recipe_time --rates spatial=900 temporal=800 pyramid=250
    python -m benchmarks.recipe_time --utilisation 0.05 0.2

A rate is what benchmarks/train_step.py measured, in clips a second and device. Without
one, compute is the step's arithmetic at a share of the peak: a model, not a figure. The
formulae and the data sheets are those of benchmarks/scaling.py; the all-reduce, a few
per cent there, is left out.
"""

import argparse
import importlib
import math
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import measure, scaling, train_step

H100, TPU = "1 x H100", "TPU v5e-8"
MACHINES = {
    H100: scaling.Pod(1, 1, 24, 989, math.inf),
    TPU: scaling.PODS[TPU],
}


class Minutes(NamedTuple):
    """Of one stage, if nothing else held it up, and of it as a whole."""

    compute: float
    input: float
    total: float


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    print(measure.environment())
    for name in options.configs:
        config = importlib.import_module(f"configs.{name}").get_config(options.variant)
        for stage in config.stages.values():
            flops = arithmetic(config, stage)
            clips = stage.steps * stage.batch
            print(
                f"{name} {stage.network}: {stage.steps} steps of {stage.batch}, "
                f"{flops / 1e9:.1f} GFLOP a clip"
            )
            for machine, pod in MACHINES.items():
                for label, rate in _rates(options, stage.network, pod, flops):
                    spent = minutes(clips, rate, pod, options.snippets_per_core)
                    print(
                        f"    {machine:10s} {label:14s} compute {spent.compute:5.1f}, "
                        f"input {spent.input:5.1f}, stage {spent.total:5.1f} minutes"
                    )


def _rates(
    options: argparse.Namespace, network: str, pod: scaling.Pod, flops: float
) -> list[tuple[str, float]]:
    """How a device's clips a second are known, and the number."""
    if network in options.rates:
        return [("as measured", options.rates[network])]
    return [
        (f"{share:.0%} of peak", pod.peak * 1e12 * share / flops)
        for share in options.utilisation
    ]


def arithmetic(config, stage) -> float:
    """Operations of a clip in one update."""
    case = train_step.Case(
        stage.network, config.model.backbone, "bfloat16", 1, config.data.input_size
    )
    return train_step.roofline(case, peak=1.0, bandwidth=math.inf)


def minutes(clips: int, rate: float, pod: scaling.Pod, per_core: float) -> Minutes:
    """Of so many clips, at a rate of each device and of each core of the hosts."""
    compute = clips / (rate * pod.devices)
    read = clips / (per_core * pod.cores * pod.devices / pod.per_host)
    return Minutes(*(seconds / 60 for seconds in (compute, read, max(compute, read))))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--configs", nargs="+", default=["ucf101", "hmdb51"])
    add("--variant", default="")
    add("--rates", nargs="*", type=_rate, default=[], help="NETWORK=CLIPS_A_SECOND")
    add("--utilisation", type=float, nargs="+", default=[0.05, 0.2])
    add("--snippets_per_core", type=float, default=130, help="from input_pipeline")
    options = parser.parse_args(arguments)
    options.rates = dict(options.rates)
    return options


def _rate(text: str) -> tuple[str, float]:
    network, _, rate = text.partition("=")
    return network, float(rate)


if __name__ == "__main__":
    main()
