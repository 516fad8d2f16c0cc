"""The runs of the study: one network each, over streams that they share."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Sequence

import jax
from etils import epath

from stpn_jax import config as configs
from stpn_jax import config_flag
from stpn_jax.config import Config
from stpn_jax.evaluation.paper import Row
from stpn_jax.experiment import initialize, run_dir, setup, train
from stpn_jax.experiment.setup import Experiment
from stpn_jax.study import answers, book, choices, tables
from stpn_jax.study.parts import Part
from stpn_jax.utils import locks, manifest

FILE = "configs/study.py"
JOINT = "joint"  # the comparison whose streams go on learning in a brief study too
KEPT_PROGRAMS = 8  # rows whose compiled programs are kept: they share the small ones
BRIEF_SIDE = 32  # pixels: the maps of the smallest backbone then are 4 x 4


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training of one row.

    Attributes:
        comparison: name of what it is for.
        row: of its table.
        run: seeds of the training and of the sketches.
        config: of the run.
        directory: its workdir.
        streams: folder of the single streams, which other rows share.
    """

    comparison: str
    row: Row
    run: tables.Run
    config: Config
    directory: epath.Path
    streams: epath.Path

    @property
    def columns(self) -> dict[str, str]:
        """Result of the run -> name of its column."""
        return {
            result: answers.column(self.row.variant, result, *self.run)
            for result in self.row.results
        }


def plan(
    part: Part,
    folder: epath.Path,
    overrides: Sequence[str],
    most_seeds: int = 0,
    choice: str = "",
    brief: bool = False,
) -> Iterator[Trial]:
    """The trials of a part, seed by seed, so that an early end leaves whole rows.

    Rows whose configs are equal share one workdir, so that they are trained once.

    Args:
        part: which.
        folder: of its runs.
        overrides: --config.A.B=VALUE, for rows that have that field's stage.
        most_seeds: of each row, or 0 for all.
        choice: name of a choice that is tried, with the one seed of choices.
        brief: whether all is cut down to a few updates.
    """
    seen: dict[Config, epath.Path] = {}
    listed = [
        (name, comparison, run)
        for name, comparison in part.comparisons.items()
        for run in ([choices.RUN] if choice else tables.runs(comparison, most_seeds))
    ]
    if choice:
        overrides = (*choices.OVERRIDES, *overrides)
    for name, comparison, run in sorted(listed, key=lambda one: one[2]):
        for row in comparison.table.rows:
            config = load(part, row, run, overrides)
            config = shorten(config, name != JOINT) if brief else config
            more = choice or f"sketch{run[1]}"
            place = folder / f"seed{run[0]}" / f"{row.variant}-{more}"
            directory = seen.setdefault(config, place)
            key = _streams_key(config, overrides)
            streams = folder / f"seed{run[0]}" / f"streams-{key}"
            yield Trial(name, row, run, config, directory, streams)


def load(
    part: Part, row: Row, run: tables.Run, overrides: Sequence[str] = ()
) -> Config:
    """The config of a row's training."""
    seed, sketch = run
    seeds = (f"--config.seed={seed}", f"--config.model.sketch_seed={sketch}")
    file = f"{FILE}:{part.variant},{row.variant}"
    return config_flag.load_fitting(file, (*seeds, *overrides))


def shorten(config: Config, frozen: bool) -> Config:
    """A few updates of a few samples on the smallest backbone: it shows that all works.

    Nearly all that it takes is compilation, so the levels are over frozen streams.

    Args:
        config: of a row.
        frozen: whether its levels may be.
    """
    data = dataclasses.replace(config.data, input_size=BRIEF_SIDE)
    model = dataclasses.replace(
        config.model, backbone="tiny", weights="none", flow_weights=""
    )
    stages = tuple(
        dataclasses.replace(
            stage,
            steps=4,
            batch=8,
            lr_milestones=(),
            cached_views=int(frozen and bool(stage.init)),
        )
        for stage in config.stages
    )
    evaluation = dataclasses.replace(config.evaluation, snippets=1, views=1)
    return dataclasses.replace(
        config, data=data, model=model, stages=stages, evaluation=evaluation
    )


def _streams_key(config: Config, overrides: Sequence[str]) -> str:
    """Tells streams from others of the same seed; a row may have one stream only."""
    own = [one for one in overrides if config_flag.stage_of(one) in initialize.STREAMS]
    facts = configs.facts(dataclasses.replace(config, stages=()))
    free = (*configs.FREE_FIELDS, *run_dir.FUSION_FIELDS)
    flat = manifest.flatten(facts).items()
    kept = {name: value for name, value in flat if not name.startswith(free)}
    text = json.dumps(kept, sort_keys=True) + "".join(own)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run(trials: Sequence[Trial], kept: book.Book, chooses: bool = False) -> None:
    """Runs what the book does not have yet; all that it has is checked before.

    Args:
        trials: from plan().
        kept: gets their answers.
        chooses: whether they are scored on the validation part.
    """
    missing = [one for one in trials if not _is_there(one, _open(one, chooses), kept)]
    for index, trial in enumerate(missing, 1):
        print(f"\n== [{index}/{len(missing)}] {trial.comparison}: {trial.directory}")
        _run(trial, _open(trial, chooses), kept)
        if index % KEPT_PROGRAMS == 0:
            jax.clear_caches()


def _open(trial: Trial, chooses: bool) -> Experiment:
    opened = setup.open_experiment(trial.config, trial.directory, "", trial.streams)
    return choices.hide_test(opened) if chooses else opened


def _is_there(trial: Trial, opened: Experiment, kept: book.Book) -> bool:
    facts = book.facts_of(opened)
    return kept.has(trial.comparison, trial.columns.values(), facts)


def _run(trial: Trial, opened: Experiment, kept: book.Book) -> None:
    """Of several processes with the same study one runs a trial, the others wait."""
    trial.directory.mkdir(parents=True, exist_ok=True)
    with locks.turn(trial.directory):
        if _is_there(trial, opened, kept):
            return
        started = time.monotonic()
        train.train(opened, report=False)
        tested = run_dir.read_tested(trial.directory)
        seconds = time.monotonic() - started
    kept.add(trial.comparison, trial.columns, book.facts_of(opened), tested, seconds)
