"""The runs of a table: config file x variant x split or seed, over shared streams.

They are planned first, all of them; what is not there yet is then trained and tested.
"""

import dataclasses
import functools
import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence

import jax
import numpy as np
from absl import logging
from etils import epath

from stpn_jax import config as configs
from stpn_jax import config_facts, config_flag
from stpn_jax.config import Config
from stpn_jax.datasets import official_splits
from stpn_jax.experiment import initialize, run_dir, setup, train
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import compilation_cache, errors, files, locks, manifest
from stpn_jax.utils.errors import UsageError
from studies import accuracy_tables
from studies.result_store import column, facts_of, store_of
from studies.rows import SEARCH_REPEAT, Row, Study, Table

# A hyperparameter search: three quarters of the training sources train and the others
# are scored; no test video is read.
SEARCH_OVERRIDE = "--config.data.validation_fraction=0.25"
FOLD = "--config.data.validation_fold"
JOINT = "joint"  # the table whose streams go on learning in a brief study too
BRIEF_SIDE = 32  # pixels: the feature maps of the smallest backbone then are 4 x 4
KEPT_PROGRAMS = 8  # runs whose compiled programs are kept: they share the small ones


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of one variant of a table, over streams that others share.

    Of a fold, feature maps alone are shared, validation videos are scored, and results
    are in a folder of the fold; the classes in `without` are left out.
    """

    table: str
    row: Row
    config: Config
    directory: epath.Path
    streams: epath.Path
    fold: int | None = None
    without: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, str]:
        """Result of the run -> name of its column in the result store."""
        repeat = self.config.seed, self.config.model.sketch_seed
        row = self.row
        return {name: column(row.variant, name, repeat) for name in row.result_names}


def plan_table(
    name: str,
    table: Table,
    config_files: Sequence[str],
    splits: Sequence[int],
    overrides: Sequence[str],
    root: epath.Path,
) -> Iterator[Run]:
    """The runs of a table of the paper, for each config FILE[:VARIANT] and each split.

    Without splits they are the table's; overrides are for variants with their stage.
    """
    for row in table.rows:
        for file in config_files:
            variant = f"{file}{',' if ':' in file else ':'}{row.variant}"
            config = load_fitting(variant, overrides)
            # Folders of videos have but one split.
            own = table.splits if config.data.dataset != "folder" else ()
            for split in splits or own or (config.data.split,):
                of_split = (*overrides, f"--config.data.split={split}")
                config = load_fitting(variant, of_split)
                folder = root / f"{config.data.dataset}-split{split}"
                streams = folder / f"streams-{config.model.backbone}"
                yield Run(name, row, config, folder / row.variant, streams)


def check_table(runs: Sequence[Run], overrides: Sequence[str]) -> None:
    """Raises UsageError for what would make a table wrong, before its first run."""
    check_stages(overrides, (run.config for run in runs))
    seen: dict[object, Run] = {}
    for run in runs:
        name, names = run.row.variant, {stage.name for stage in run.config.stages}
        needed = {stage for stages in run.row.results for stage in stages}
        if missing := needed - names:
            raise UsageError(
                f"{name}: its config has no stage {', '.join(sorted(missing))}; does "
                "get_config hand the variant on, as configs/demo.py does?"
            )
        for key in (run.config, run.directory):
            if key in seen:
                raise UsageError(
                    f"{name} and {seen[key].row.variant} are the same run: by an "
                    "override of what variants set, a config file that ignores its "
                    "variant, or two config files of one data set and one --workdir"
                )
            seen[key] = run


def plan_study(
    study: Study,
    folder: epath.Path,
    overrides: Sequence[str],
    seeds: int = 0,
    search: str = "",
    brief: bool = False,
) -> list[Run]:
    """The runs of a study, seed by seed, so that an early end leaves whole seeds.

    Variants whose configs are equal share one workdir, so that they are trained once.

    Args:
        study: which.
        folder: of its runs.
        overrides: --config.A.B=VALUE, for the variants with that field's stage.
        seeds: of each variant, or 0 for the tables' own.
        search: name of a run of the hyperparameter search.
        brief: whether all is cut down to one seed and a few updates.
    """
    seen: dict[Config, epath.Path] = {}
    planned = []
    count = 1 if brief else seeds
    folds = range(study.folds) if study.folds else (None,)
    repeats = [
        (repeat, fold, name, table)
        for name, table in study.tables.items()
        for repeat in ([SEARCH_REPEAT] if search else table.repeats(count))
        for fold in folds
    ]
    if search or study.folds:
        overrides = (SEARCH_OVERRIDE, *overrides)
    for (seed, sketch), fold, name, table in sorted(repeats, key=lambda one: one[:2]):
        fields = [f"--config.seed={seed}", f"--config.model.sketch_seed={sketch}"]
        place = folder / f"seed{seed}"
        if fold is not None:
            fields.append(f"{FOLD}={fold}")
            place /= f"fold{fold}"
        for row in table.rows:
            file = f"configs/study.py:{study.variant},{row.variant}"
            config = load_fitting(file, (*fields, *overrides))
            config = shorten(config, name != JOINT) if brief else config
            own = place / f"{row.variant}-{search or f'sketch{sketch}'}"
            directory = seen.setdefault(config, own)
            streams = place / f"streams-{_streams_key(config, overrides)}"
            streams = streams if fold is None else directory
            planned.append(
                Run(name, row, config, directory, streams, fold, study.without)
            )
    check_stages(overrides, seen)
    return planned


def shorten(config: Config, frozen: bool) -> Config:
    """A few updates of a few samples on the smallest backbone, as a quick check.

    Nearly all the time it takes is compilation, so the levels are over frozen streams
    where they may be.
    """
    replace = dataclasses.replace
    short = {"steps": 4, "batch": 8, "lr_milestones": ()}
    return replace(
        config,
        data=replace(config.data, input_size=BRIEF_SIDE),
        model=replace(config.model, backbone="tiny", weights="none", flow_weights=""),
        stages=tuple(
            replace(one, cached_crops=int(frozen and bool(one.init)), **short)
            for one in config.stages
        ),
        evaluation=replace(config.evaluation, snippets=1, crops=1),
    )


def _streams_key(config: Config, overrides: Sequence[str]) -> str:
    """Tells streams from others of a seed; a variant may have one stream only."""
    own = [one for one in overrides if stage_of(one) in initialize.STREAMS]
    facts = config_facts.facts(dataclasses.replace(config, stages=()))
    free = (*configs.FREE_FIELDS, *run_dir.FUSION_FIELDS)
    flat = manifest.flatten(facts).items()
    kept = {name: value for name, value in flat if not name.startswith(free)}
    text = json.dumps(kept, sort_keys=True) + "".join(own)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def load_fitting(file: str, overrides: Sequence[str]) -> Config:
    """The config of a file, without overrides of stages that it lacks."""
    stages = ("", *_stages(file))
    return config_flag.load(file, [x for x in overrides if stage_of(x) in stages])


@functools.cache
def _stages(file: str) -> tuple[str, ...]:
    return tuple(stage.name for stage in config_flag.load(file, ()).stages)


def check_stages(overrides: Sequence[str], loaded: Iterable[Config]) -> None:
    """Raises UsageError for an override of a stage that no config has."""
    stages = {stage.name for config in loaded for stage in config.stages}
    for override in overrides:
        if stage_of(override) not in ("", *stages):
            known = ", ".join(sorted(stages))
            raise UsageError(f"{override}: no variant has that stage; known: {known}")


def stage_of(override: str) -> str:
    """The stage that an override is for; empty for other overrides."""
    match = re.match(r"--config\.stages\.(\w+)", override)
    return match[1] if match else ""


def run_table(
    table: Table, chosen: Sequence[Run], runs: Sequence[Run], path: epath.Path
) -> str:
    """Trains the chosen runs; writes the table of all finished ones after each."""
    _prepare(chosen)
    text = ""
    for index, run in enumerate(chosen, 1):
        _announce(index, chosen, "table ")
        kept = "finished runs and checkpoints are kept"
        with errors.disk_errors(path.parent, kept):
            train.train(open_run(run))
            text = accuracy_tables.of_paper(table, _finished(runs))
            text = f"Table {run.table}: {table.title}\n\n{text}"
            files.write_whole(path, text)
        jax.clear_caches()
    return text


def _finished(runs: Sequence[Run]) -> list[accuracy_tables.Result]:
    return [
        (run.row.variant, run.config.data.dataset, run_dir.read_results(run.directory))
        for run in runs
        if (run.directory / run_dir.RESULTS_JSON).exists()
    ]


def run_study(runs: Sequence[Run], folder: epath.Path, validates: bool = False) -> None:
    """Runs what the folder does not have yet; all that it has is checked before."""
    _prepare(runs)
    validates = validates or any(run.fold is not None for run in runs)
    opened = ((run, open_run(run, validates)) for run in runs)
    missing = [run for run, made in opened if not _is_stored(run, made, folder)]
    for index, run in enumerate(missing, 1):
        _announce(index, missing)
        _train(run, open_run(run, validates), folder)
        if index % KEPT_PROGRAMS == 0:
            jax.clear_caches()


def open_run(run: Run, validates: bool = False) -> Experiment:
    """The experiment of a run; on validation videos in place of test videos, or not."""
    opened = setup.open_experiment(run.config, run.directory, "", run.streams)
    if not validates:
        return opened
    classes, labels = opened.dataset.meta.classes, opened.dataset.labels
    left_out = [label for label, name in enumerate(classes) if name in run.without]
    train, scored = (
        videos[~np.isin(labels[videos], left_out)]
        for videos in (opened.split.train, opened.split.validation)
    )
    if not len(scored):
        raise UsageError("the training list has too few recordings to hold out a part")
    hidden = official_splits.Split(train, np.array([], scored.dtype), scored)
    # Recipes that differ in how a classifier learns see the same feature maps.
    maps = None if run.fold is None else run.directory.parent / "maps"
    return dataclasses.replace(opened, split=hidden, shared_maps=maps)


def _prepare(runs: Sequence[Run]) -> None:
    for run in runs:
        setup.check_weights(run.config)
    compilation_cache.enable()
    logging.set_verbosity(logging.FATAL)  # What Orbax logs as errors, it raises.


def _announce(index: int, runs: Sequence[Run], word: str = "") -> None:
    run = runs[index - 1]
    name = f"{word}{run.table}, {run.row.variant}"
    print(f"\n== [{index}/{len(runs)}] {name}: {run.directory}")


def _is_stored(run: Run, experiment: Experiment, folder: epath.Path) -> bool:
    store = store_of(folder, run.fold)
    return store.has(run.table, run.columns.values(), facts_of(experiment))


def _train(run: Run, experiment: Experiment, folder: epath.Path) -> None:
    """Of several processes with the same study one trains a run, the others wait."""
    run.directory.mkdir(parents=True, exist_ok=True)
    with locks.turn(run.directory):
        if _is_stored(run, experiment, folder):
            return
        started = time.process_time()
        train.train(experiment, report=False)
        tested = run_dir.read_tested(run.directory)
        seconds = time.process_time() - started
        store = store_of(folder, run.fold)
        store.add(run.table, run.columns, facts_of(experiment), tested, seconds)
        if run.fold is not None:  # It has given all that is wanted of it.
            for path in run.directory.iterdir():  # Others wait for the folder itself.
                path.rmtree() if path.is_dir() else path.unlink()
