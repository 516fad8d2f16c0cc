"""Compiles a config's programs for TPUs that are not there, and reports what they need.

Every stage's update, as training maps it over the devices, and the exported programs.
No records, weights or TPU are used: all is known from shapes.
"""

import dataclasses
import importlib.metadata
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import Config, StageConfig
from stpn_jax.datasets.official_splits import Split
from stpn_jax.experiment import (
    compile_estimate,
    export,
    setup,
    stage_batches,
    tpu,
    train,
)
from stpn_jax.experiment.setup import Experiment
from stpn_jax.export import artifact
from stpn_jax.records import records
from stpn_jax.train import step
from stpn_jax.utils import manifest, wording
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import flow_codec

FILE = "compile.json"
CLASSES = {"ucf101": 101, "hmdb51": 51}
REMEDIES = (
    "lower config.stages.{name}.batch, set config.run.microbatch_size, "
    "config.run.remat=norms or blocks, config.model.dtype=bfloat16, or take more chips"
)


@dataclasses.dataclass(frozen=True)
class Target:
    """What is compiled for."""

    topology: str
    devices: list[jax.Device]
    chip: tpu.Chip

    def facts(self) -> dict[str, Any]:
        """For compile.json."""
        hosts = {device.process_index for device in self.devices}
        return {
            "topology": self.topology,
            "chips": len(self.devices),
            "hosts": len(hosts),
            "chip": self.chip._asdict() | {"clock": self.chip.clock},
            "source": tpu.SOURCE + self.topology.partition(":")[0],
            "libtpu": importlib.metadata.version("libtpu"),
        }


class DoesNotFitError(Exception):
    """A program needs more memory than a chip has; the message says how much."""


def write(
    config: Config,
    topology: str,
    stages: Sequence[str],
    classes: int | None,
    folder: epath.Path,
) -> epath.Path:
    """Compiles some stages, or all and the export; prints and writes the estimates.

    Raises:
        UsageError: no such topology or stage, a batch that the devices cannot share,
            or, after all are done, programs that do not fit.
        ModuleNotFoundError: the extra with the compiler is not installed.
    """
    chosen = _choose(config, stages)
    target = Target(topology, tpu.devices(topology), tpu.kind(topology))
    for stage in chosen:
        name = f"config.stages.{stage.name}.batch"
        parallel.check_batch(stage.batch, name, len(target.devices))
    experiment = _without_records(config, classes)
    print(_head(target, len(experiment.dataset.meta.classes)), flush=True)
    found = {s.name: _report_stage(experiment, s, target) for s in chosen}
    last = config.stages[-1]
    if last in chosen and export.is_exportable(config):
        found |= _report_export(experiment, last, target)
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(path, target.facts() | {"programs": found})
    too_large = [one["does_not_fit"] for one in found.values() if "does_not_fit" in one]
    if too_large:
        raise UsageError("; ".join(too_large))
    return path


def _choose(config: Config, names: Sequence[str]) -> list[StageConfig]:
    known = {stage.name: stage for stage in config.stages}
    for name in names:
        if name not in known:
            raise UsageError(f"--stages={name}: expected some of {', '.join(known)}")
    return [stage for stage in config.stages if not names or stage.name in names]


def _without_records(config: Config, classes: int | None) -> Experiment:
    """An experiment whose data set has classes and no videos."""
    count = classes or CLASSES.get(config.data.dataset, 101)
    meta = records.Meta(
        dataset=config.data.dataset,
        classes=tuple(map(str, range(count))),
        groups={},
        size=config.data.size,
        bound=flow_codec.BOUND,
        splits=1,
        flow={},
        jpeg_quality=95,
    )
    none = np.zeros(0, np.int64)
    dataset = records.Dataset(meta, (), none.astype(np.int32), (), (), (), none, {})
    nowhere = epath.Path("")
    return Experiment(config, nowhere, dataset, Split(none, none, none), None, nowhere)


def _head(target: Target, classes: int) -> str:
    facts, chip = target.facts(), target.chip
    chips = wording.counted(facts["chips"], f"chip of {target.topology}")
    return (
        f"{chips}, {wording.counted(facts['hosts'], 'host')}, {classes} classes; libtpu "
        f"{facts['libtpu']}: a compiler's estimates, nothing is measured\n"
        f"a chip ({facts['source']}): {chip.memory} GiB for a program, "
        f"{chip.bandwidth} GB/s, {chip.peak} TFLOP/s in bfloat16, so {chip.clock:.2f} "
        f"GHz for {chip.units} units of {chip.side}x{chip.side}; {chip.link} GB/s a port"
    )


def _report_stage(
    experiment: Experiment, stage: StageConfig, target: Target
) -> dict[str, Any]:
    """Prints and returns what a stage's update needs."""
    chips = len(target.devices)
    share = stage.batch // chips
    title = f"[{stage.name}] batch {stage.batch}, {share} a chip"
    result: dict[str, Any] = {"batch": stage.batch, "batch_per_chip": share}
    try:
        update = compile_update(experiment, stage, target.devices, share)
    except DoesNotFitError as error:
        remedies = REMEDIES.format(name=stage.name)
        result["does_not_fit"] = f"{title}: {error}; {remedies}"
        print(f"{title} does not fit: {error}; {remedies}", flush=True)
        return result
    found = compile_estimate.estimate(update.compiled, target.chip, chips)
    seconds = found.milliseconds["step"] / 1e3
    sent = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(update.batch))
    result |= dataclasses.asdict(found) | {
        "compile_seconds": update.seconds,
        "state_arrays": update.arrays,
        "snippets_per_second": stage.batch / seconds,
        "host_bytes_per_second": sent / seconds,
        "host_cores": _cores(stage, seconds),
        "largest_batch_per_chip": _largest_batch(experiment, stage, target, found),
    }
    print(f"{title}, compiled in {update.seconds:.0f} s")
    for line in (*compile_estimate.lines(found, target.chip), *_needs(result)):
        print(f"  {line}", flush=True)
    return result


def _cores(stage: StageConfig, seconds: float) -> float | None:
    """Host cores that decode a stage's snippets as fast; None where it reads maps."""
    rate = stage.batch / seconds
    return None if stage.cached_crops else rate / compile_estimate.SNIPPETS_PER_CORE


def _needs(result: dict[str, Any]) -> list[str]:
    """What a stage's update needs of the state, the hosts and the memory."""
    largest, cores = result["largest_batch_per_chip"], result["host_cores"]
    read = f"{cores:.0f} cores" if cores else "no decoding: it reads cached maps"
    batch = (
        f"largest batch: about {largest} a chip, by a straight line through the bytes "
        "of two batches; another batch is another recipe"
    )
    return [
        f"donated: {result['donated']} of {result['state_arrays']} arrays of the state",
        f"at that speed the hosts send {result['host_bytes_per_second'] / 1e9:.2f} GB/s "
        f"for {result['snippets_per_second']:.0f} snippets/s: {read} (at "
        f"{compile_estimate.SNIPPETS_PER_CORE} snippets/s a core, measured on one "
        "machine)",
        batch if largest else "largest batch: not known, as twice this one fails",
    ]


@dataclasses.dataclass(frozen=True)
class CompiledUpdate:
    """A stage's update for some devices, with the shapes of what it takes."""

    compiled: Any
    batch: Any
    arrays: int  # of the state
    seconds: float


def compile_update(
    experiment: Experiment, stage: StageConfig, devices: list[jax.Device], share: int
) -> CompiledUpdate:
    """Compiles the update that training maps, with `share` snippets a device.

    Raises:
        DoesNotFitError: it needs more memory than a device has.
    """
    shapes = setup.variable_shapes(experiment, stage)
    shapes = {"batch_stats": {}, "sketches": {}} | shapes
    transform, update = train.make_update(experiment, stage, shapes["params"])
    state = jax.eval_shape(lambda v: step.initial_state(v, transform), shapes)
    batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((len(devices), share, *x.shape[1:]), x.dtype),
        stage_batches.batch_shapes(experiment, stage, share),
    )
    mapped = parallel.map_update(update, devices)
    compiled, seconds = _timed(lambda: mapped.lower(state, batch).compile())
    return CompiledUpdate(compiled, batch, len(jax.tree.leaves(state)), seconds)


def _timed(compile_it: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    try:
        return compile_it(), time.perf_counter() - started
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        first = str(error).splitlines()[0].removeprefix("RESOURCE_EXHAUSTED: ")
        raise DoesNotFitError(re.sub(r"\.$", "", first)) from error


def _largest_batch(
    experiment: Experiment,
    stage: StageConfig,
    target: Target,
    found: compile_estimate.Estimate,
) -> int | None:
    """Extrapolated from the bytes of this batch and of one twice as large."""
    share = stage.batch // len(target.devices)
    try:
        twice = compile_update(experiment, stage, target.devices, 2 * share)
    except DoesNotFitError:
        return None
    other = compile_estimate.estimate(twice.compiled, target.chip, len(target.devices))
    slope = (other.bytes["total"] - found.bytes["total"]) / share
    if slope <= 0:
        return None
    free = target.chip.memory * 2**30 - found.bytes["total"]
    return share + int(free / slope)


def _report_export(
    experiment: Experiment, stage: StageConfig, target: Target
) -> dict[str, Any]:
    """Prints and returns what the exported programs need on one chip."""
    dtype, samples = experiment.config.model.dtype, experiment.config.evaluation.crops
    settings = export.preprocessing(experiment, stage)
    networks = export.networks(experiment, stage)
    programs = export.programs({dtype: networks[dtype]}, settings)
    where = jax.sharding.SingleDeviceSharding(target.devices[0])
    result: dict[str, Any] = {}

    def shape(x: Any) -> jax.ShapeDtypeStruct:
        sides = (samples if isinstance(s, jax.export.DimSize) else s for s in x.shape)
        return jax.ShapeDtypeStruct(tuple(sides), x.dtype, sharding=where)

    for kind, arguments in artifact.arguments(settings).items():
        given = (setup.variable_shapes(experiment, stage), *arguments.values())
        given = jax.tree.map(shape, given)
        program = jax.jit(programs[kind][dtype])
        title = f"[export, {kind}] {samples} samples on one chip"
        try:
            compiled, seconds = _timed(lambda: program.lower(*given).compile())  # noqa: B023
        except DoesNotFitError as error:
            result[f"export_{kind}"] = {"does_not_fit": f"{title}: {error}"}
            print(f"{title} does not fit: {error}", flush=True)
            continue
        found = compile_estimate.estimate(compiled, target.chip, 1)
        result[f"export_{kind}"] = dataclasses.asdict(found) | {
            "samples": samples,
            "compile_seconds": seconds,
        }
        print(f"{title}, compiled in {seconds:.0f} s")
        for line in compile_estimate.lines(found, target.chip):
            print(f"  {line}", flush=True)
    return result
