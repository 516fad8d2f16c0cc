"""A config's programs, from shapes, to be compiled for devices that are not there."""

import concurrent.futures
import functools
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import Config, StageConfig
from stpn_jax.datasets.official_splits import Split
from stpn_jax.experiment import export, setup, stage_batches, train
from stpn_jax.experiment.setup import Experiment
from stpn_jax.export import artifact
from stpn_jax.records import records
from stpn_jax.train import step
from stpn_jax.video import flow_codec

# Classes of a data set without its records.
_CLASSES = {"ucf101": 101, "hmdb51": 51}


class DoesNotFitError(Exception):
    """A program needs more memory than a chip has; the message says how much."""


class Job(NamedTuple):
    """A program, and what there is to say about it.

    Attributes:
        name: in compile.json.
        text: in the printed report.
        lower: traces and lowers it.
        chips: that it runs on.
        batch: shapes of what the hosts send for one call.
        arrays: of the state that it can take the memory of.
    """

    name: str
    text: str
    lower: Callable[[], jax.stages.Lowered]
    chips: int
    batch: Any
    arrays: int = 0


def compiled(job: Job) -> tuple[Any, float]:
    """The compiled program, and the seconds that took.

    Raises:
        DoesNotFitError: it needs more memory than a chip has.
    """
    started = time.perf_counter()
    try:
        program = _interruptible(job.lower().compile)
        return program, time.perf_counter() - started
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        first = str(error).splitlines()[0].removeprefix("RESOURCE_EXHAUSTED: ")
        raise DoesNotFitError(re.sub(r"\.$", "", first)) from error


def _interruptible(work: Callable[[], Any]) -> Any:
    """Calls it in a thread: Ctrl-C and SIGTERM do not wait for what compiles in C++."""
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def call() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return done.result()


def without_records(config: Config, classes: int | None) -> Experiment:
    """An experiment whose data set has classes and no videos."""
    count = classes or _CLASSES.get(config.data.dataset, 101)
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
    no, none = np.zeros(0, np.int32), np.zeros(0, np.int64)
    dataset = records.Dataset(meta, (), no, (), (), (), no, {})
    nowhere = epath.Path("")
    return Experiment(config, nowhere, dataset, Split(none, none, none), None, nowhere)


def update(
    experiment: Experiment, stage: StageConfig, devices: list[jax.Device], share: int
) -> Job:
    """The update that training maps over the devices, `share` snippets each."""
    variables: dict[str, Any] = {"batch_stats": {}, "sketches": {}}
    variables |= setup.variable_shapes(experiment, stage)
    transform, one = train.make_update(experiment, stage, variables["params"])
    averages = stage.averaging > 0
    state = jax.eval_shape(
        lambda v: step.initial_state(v, transform, averages), variables
    )
    batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((len(devices), share, *x.shape[1:]), x.dtype),
        stage_batches.batch_shapes(experiment, stage, share),
    )
    mapped: Any = parallel.map_update(one, devices)
    return Job(
        stage.name,
        f"[{stage.name}] batch {share * len(devices)}, {share} a chip, "
        f"{experiment.config.model.dtype}",
        lambda: mapped.lower(state, batch),
        len(devices),
        batch,
        len(jax.tree.leaves(state)),
    )


def exported(
    experiment: Experiment, stage: StageConfig, device: jax.Device
) -> Iterator[Job]:
    """The programs that --mode=export would write, for the crops of one snippet."""
    dtype, crops = experiment.config.model.dtype, experiment.config.evaluation.crops
    settings = export.preprocessing(experiment, stage)
    networks = export.networks(experiment, stage)
    programs = export.programs({dtype: networks[dtype]}, settings)
    variables = setup.variable_shapes(experiment, stage)

    def on_device(x: Any) -> jax.ShapeDtypeStruct:
        shape = tuple(side if isinstance(side, int) else crops for side in x.shape)
        where = jax.sharding.SingleDeviceSharding(device)
        return jax.ShapeDtypeStruct(shape, x.dtype, sharding=where)

    for kind, arguments in artifact.arguments(settings).items():
        batch = tuple(map(on_device, arguments.values()))
        program = jax.jit(programs[kind][dtype])
        given = jax.tree.map(on_device, variables), *batch
        text = f"[export] {kind} in {dtype}, {crops} samples, one chip"
        lower = functools.partial(program.lower, *given)
        yield Job(f"export_{kind}", text, lower, 1, batch)
