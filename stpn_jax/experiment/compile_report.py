"""Reports what training and prediction need of TPUs that are not there, by compiling.

Every stage's update, as training maps it over the devices, and the exported programs.
No records, weights or TPU are used.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
from etils import epath

from stpn_jax import config_facts, parallel
from stpn_jax.config import Config, StageConfig
from stpn_jax.experiment import compile_estimate, compile_jobs, export, tpu
from stpn_jax.experiment.compile_jobs import DoesNotFitError, Job
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import manifest, wording
from stpn_jax.utils.errors import UsageError

FILE = "compile.json"
EXPORT = "export"  # Among the names of stages: the exported programs.
FARTHEST = 32  # times a batch, to which its line of bytes leads
# docs/performance.md, of one machine: 130 snippets/s of a frame and three paths of ten
# flows, of two images each, in records of 340x256.
PIXELS_PER_CORE = 130 * (1 + 3 * 10 * 2) * 340 * 256
NOTE = (
    "A compiler's estimates, nothing is measured. Bytes, operations, traffic and "
    "cycles are of one update or call, on one chip. The chip's memory is in GiB, "
    "bandwidth and link in GB/s, peak in TFLOP/s, clock in GHz."
)
_REMEDIES = (
    "use a smaller batch (config.stages.{}.batch), config.run.microbatch_size, "
    "config.run.remat=norms or blocks, config.model.dtype=bfloat16, or more chips"
)


class Target(NamedTuple):
    """What is compiled for."""

    topology: str
    devices: list[jax.Device]
    chip: tpu.Chip

    def facts(self) -> dict[str, Any]:
        """For compile.json."""
        return {
            "note": NOTE,
            "topology": self.topology,
            "chips": len(self.devices),
            "hosts": len({device.process_index for device in self.devices}),
            "chip": self.chip._asdict() | {"clock": self.chip.clock},
            "source": tpu.SOURCE + self.topology.partition(":")[0],
            "libtpu": tpu.compiler(),
        }


def write(
    config: Config,
    topology: str,
    stages: Sequence[str],
    classes: int | None,
    folder: epath.Path,
) -> epath.Path:
    """Compiles all, or what is named; prints and writes the estimates.

    Raises:
        UsageError: no such topology or stage, a batch that the devices cannot share,
            or, after all are compiled, programs that do not fit.
        ModuleNotFoundError: the extra with the compiler is not installed.
    """
    chosen = _choose(config, stages)
    target = Target(topology, tpu.devices(topology), tpu.chip(topology))
    for stage in chosen:
        name = f"config.stages.{stage.name}.batch"
        parallel.check_batch(stage.batch, name, len(target.devices))
    experiment = compile_jobs.without_records(config, classes)
    folder.mkdir(parents=True, exist_ok=True)
    print(_head(target, len(experiment.dataset.meta.classes)), flush=True)
    programs: dict[str, Any] = {}
    count = len(experiment.dataset.meta.classes)
    about = target.facts() | {"classes": count, "config": config_facts.facts(config)}
    exports = not stages or EXPORT in stages
    try:
        for name, result in _results(experiment, chosen, exports, target):
            programs[name] = result
            manifest.write(folder / FILE, about | {"programs": programs})
    except KeyboardInterrupt as error:
        there = f"{folder / FILE} has {', '.join(programs)}; " if programs else ""
        message = f"{there}the same command starts afresh"
        raise KeyboardInterrupt(message) from error
    if too_large := [x["does_not_fit"] for x in programs.values() if not x["fits"]]:
        raise UsageError(f"does not fit: {'; '.join(too_large)}")
    return folder / FILE


def _results(
    experiment: Experiment, stages: list[StageConfig], exports: bool, target: Target
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and estimate of one program after the other."""
    for stage in stages:
        yield stage.name, _report_update(experiment, stage, target)
    if exports and export.is_exportable(experiment.config):
        last = experiment.config.stages[-1]
        for job in compile_jobs.exported(experiment, last, target.devices[0]):
            yield job.name, _report(job, target, _REMEDIES.format(last.name))


def _choose(config: Config, names: Sequence[str]) -> list[StageConfig]:
    known = [*(stage.name for stage in config.stages), EXPORT]
    for name in names:
        if name not in known:
            raise UsageError(f"--stages={name}: expected some of {', '.join(known)}")
    return [stage for stage in config.stages if not names or stage.name in names]


def _head(target: Target, classes: int) -> str:
    facts, chip = target.facts(), target.chip
    return (
        f"{target.topology}: {wording.counted(facts['chips'], 'chip')}, "
        f"{wording.counted(facts['hosts'], 'host')}; {classes} classes; libtpu "
        f"{facts['libtpu']}. All figures are a compiler's estimates.\n"
        f"one chip ({facts['source']}): {chip.memory} GiB for a program, "
        f"{chip.bandwidth} GB/s, {chip.peak} TFLOP/s in bfloat16 by {chip.units} units "
        f"of {chip.side}x{chip.side}: {chip.clock:.2f} GHz; {chip.link} GB/s a link"
    )


def _report_update(
    experiment: Experiment, stage: StageConfig, target: Target
) -> dict[str, Any]:
    """Prints and returns the estimate of a stage's update."""
    share = stage.batch // len(target.devices)
    job = compile_jobs.update(experiment, stage, target.devices, share)
    result = _report(job, target, _REMEDIES.format(stage.name))
    result |= {"batch": stage.batch, "batch_per_chip": share}
    if not result["fits"]:
        return result
    size = experiment.config.data.size
    result |= _hosts(job, stage, size, result["milliseconds"]["step"] / 1e3)
    twice = compile_jobs.update(experiment, stage, target.devices, 2 * share)
    result["largest_batch_per_chip"], words = _largest(result, share, twice, target)
    for line in _needs(result, words):
        print(f"  {line}", flush=True)
    return result


def _report(job: Job, target: Target, remedies: str) -> dict[str, Any]:
    """Prints and returns the estimate of a program, or that it does not fit."""
    try:
        program, seconds = compile_jobs.compiled(job)
    except DoesNotFitError as error:
        message = f"{job.text}: {error}; {remedies}"
        print(f"{job.text} does not fit: {error}", flush=True)
        return {"fits": False, "does_not_fit": message}
    found = compile_estimate.estimate(program, target.chip, job.chips)
    print(f"{job.text}: compiled in {seconds:.0f} s")
    for line in compile_estimate.lines(found, target.chip):
        print(f"  {line}", flush=True)
    facts = {"fits": True, "compile_seconds": seconds, "state_arrays": job.arrays}
    return dataclasses.asdict(found) | facts


def _hosts(
    job: Job, stage: StageConfig, size: tuple[int, int], seconds: float
) -> dict[str, float | None]:
    """What the hosts must deliver, if a step takes so long; frames are of that size."""
    sent = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(job.batch))
    found = {
        "snippets_per_second": stage.batch / seconds,
        "host_bytes_per_second": sent / seconds,
        "host_cores": None,
    }
    if not stage.cached_crops:
        # [devices b f 3 y x] and [devices b k 2L y x]; a flow has two images.
        _, _, frames, *_ = job.batch.rgb.shape
        _, _, paths, planes, *_ = job.batch.flow.shape
        pixels = (frames + paths * planes) * size[0] * size[1]
        found["host_cores"] = stage.batch / seconds * pixels / PIXELS_PER_CORE
    return found


def _largest(
    result: dict[str, Any], share: int, twice: Job, target: Target
) -> tuple[int | None, str]:
    """Samples a chip by a straight line through the bytes of two batches; in words.

    Small batches need no memory but their inputs: a line through them leads nowhere.
    """
    try:
        program, _ = compile_jobs.compiled(twice)
    except DoesNotFitError:
        return None, "less than twice this one"
    before, after = result["bytes"], compile_estimate.sizes(program)
    parts = ("arguments", "outputs", "temporaries")
    grown = sum(max(0, after[name] - before[name]) for name in parts)
    free = target.chip.memory * 2**30 - before["total"]
    largest = share + int(share * free / max(grown, 1))
    if largest > FARTHEST * share:
        words = (
            f"not known, more than {2 * share} a chip; compile a larger one to see it"
        )
        return None, words
    line = "by a straight line through the bytes of two batches"
    return largest, f"about {largest} a chip, {line}"


def _needs(result: dict[str, Any], largest: str) -> list[str]:
    """What an update needs of the state, the hosts and the memory."""
    cores = result["host_cores"]
    each = f"{PIXELS_PER_CORE / 1e6:.0f} M pixels/s each, flows included"
    measured = f"{each}, measured on one machine"
    read = f"{cores:.3g} host cores ({measured})" if cores else "no decoding"
    return [
        f"donated: {result['donated']} of {result['state_arrays']} arrays of the state",
        f"{result['snippets_per_second']:.0f} snippets/s need {read} and "
        f"{result['host_bytes_per_second'] / 1e9:.2f} GB/s from hosts to chips",
        f"largest batch: {largest}; another batch is another recipe",
    ]
