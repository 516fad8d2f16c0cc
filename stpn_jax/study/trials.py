"""The runs of the study: one network each, over streams that they share."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Iterator, Sequence

import jax
from etils import epath

from stpn_jax import config as configs
from stpn_jax import config_flag, files
from stpn_jax.config import Config
from stpn_jax.evaluation.paper import Row
from stpn_jax.experiment import setup, training, workdir
from stpn_jax.study import answers, choices, tables
from stpn_jax.study.parts import Part

FILE = "configs/study.py"
SECONDS = "seconds.json"


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
) -> Iterator[Trial]:
    """The trials of a part, seed by seed, so that an early end leaves whole rows.

    Rows whose configs are equal share one workdir, so that they are trained once.

    Args:
        part: which.
        folder: of its runs.
        overrides: --config.A.B=VALUE, for rows that have that field's stage.
        most_seeds: of each row, or 0 for all.
        choice: name of a choice that is tried, with the one seed of choices.
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
            more = choice or f"sketch{run[1]}"
            place = folder / f"seed{run[0]}" / f"{row.variant}-{more}"
            directory = seen.setdefault(config, place)
            streams = folder / f"seed{run[0]}" / f"streams-{_streams_key(config)}"
            yield Trial(name, row, run, config, directory, streams)


def load(
    part: Part, row: Row, run: tables.Run, overrides: Sequence[str] = ()
) -> Config:
    """The config of a row's training."""
    seed, sketch = run
    seeds = (f"--config.seed={seed}", f"--config.model.sketch_seed={sketch}")
    file = f"{FILE}:{part.variant},{row.variant}"
    return config_flag.load_fitting(file, (*seeds, *overrides))


def _streams_key(config: Config) -> str:
    """Tells streams from others of the same seed; a row may have one stream only."""
    facts = json.loads(configs.to_json(dataclasses.replace(config, stages=())))
    free = (*workdir.FREE_FIELDS, *workdir.FUSION_FIELDS)
    flat = configs.flatten(facts).items()
    kept = {name: value for name, value in flat if not name.startswith(free)}
    text = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclasses.dataclass
class Book:
    """What the trials of a part gave so far, on disk after each of them.

    Attributes:
        folder: for COMPARISON.csv and seconds.json.
    """

    folder: epath.Path

    def answers(self, comparison: str) -> answers.Answers | None:
        """Of a comparison, if there are any."""
        path = self._path(comparison)
        return answers.read(path) if path.exists() else None

    def has(self, trial: Trial) -> bool:
        """Whether a trial was run before."""
        known = self.answers(trial.comparison)
        return known is not None and set(trial.columns.values()) <= set(known.predicted)

    def add(self, trial: Trial, tested: workdir.Tested, seconds: float) -> None:
        """Adds what a trial answered, and how long it took."""
        predicted = {
            name: [tested.classes[i] for i in tested.probabilities[result].argmax(1)]
            for result, name in trial.columns.items()
        }
        labels = [tested.classes[i] for i in tested.labels]
        groups = [tested.prepared["groups"].get(label, "") for label in labels]
        known = self.answers(trial.comparison)
        before = known.predicted if known else {}
        self.folder.mkdir(parents=True, exist_ok=True)
        answers.write(
            self._path(trial.comparison),
            answers.Answers(tested.videos, groups, labels, {**before, **predicted}),
        )
        path = self.folder / SECONDS
        times = json.loads(path.read_text()) if path.exists() else {}
        times |= dict.fromkeys(predicted, round(seconds, 1))
        files.write_whole(path, json.dumps(times, indent=1, sort_keys=True) + "\n")

    def _path(self, comparison: str) -> epath.Path:
        return self.folder / f"{comparison}.csv"


def run(trials: Sequence[Trial], book: Book, chooses: bool = False) -> None:
    """Runs what the book does not have yet.

    Args:
        trials: from plan().
        book: gets their answers.
        chooses: whether they are scored on the validation part.
    """
    for index, trial in enumerate(trials, 1):
        if book.has(trial):
            continue
        print(f"\n== [{index}/{len(trials)}] {trial.comparison}: {trial.directory}")
        started = time.monotonic()
        opened = setup.open_experiment(trial.config, trial.directory, "", trial.streams)
        if chooses:
            opened = choices.hide_test(opened)
        training.train(opened, report=False)
        book.add(
            trial, workdir.read_tested(trial.directory), time.monotonic() - started
        )
        jax.clear_caches()
