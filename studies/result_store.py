"""The predictions of a study's runs on disk: TABLE.csv, and runs.json beside them.

TABLE.csv has a line for each test video: video, group and label, then the class that
each run predicts. runs.json keeps for every column which config gave it, on which
videos, in how many CPU seconds (of a process: of all its threads), and the checksums of
the CSV files: predictions of other configs or other videos never get into one table.
"""

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Bool

from stpn_jax import config_facts
from stpn_jax.experiment import run_dir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import files, locks, manifest
from stpn_jax.utils.errors import UsageError
from studies.rows import Repeat

RUNS = "runs.json"
_KINDS = {"answers": list, "runs": dict}  # of the values of each field of RUNS
_FIXED = ("video", "group", "label")
_DIGITS = 16  # of a digest


class Predictions(NamedTuple):
    """Predicted classes of the test videos."""

    videos: Sequence[str]
    groups: Sequence[str]  # of their classes; empty where they have none
    labels: Sequence[str]
    predicted: Mapping[str, Sequence[str]]  # by the column of a run

    def correct(self, column: str) -> Bool[np.ndarray, "n"]:
        """Which videos a run classifies correctly."""
        return np.array(self.predicted[column]) == np.array(self.labels)

    def to_csv(self) -> str:
        """The content of TABLE.csv."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*_FIXED, *self.predicted])
        lines.writerows(zip(*self[:3], *self.predicted.values(), strict=True))
        return text.getvalue()

    @classmethod
    def from_csv(cls, path: epath.Path) -> "Predictions":
        """Reads a file that `to_csv` made."""
        lines = list(csv.reader(io.StringIO(path.read_text())))
        videos, groups, labels, *predicted = zip(*lines[1:], strict=True)
        by_run = dict(zip(lines[0][3:], predicted, strict=True))
        return cls(videos, groups, labels, by_run)


def column(variant: str, result: str, repeat: Repeat) -> str:
    """Name of a run's column; a sketch seed of its own stands at the end."""
    seed, sketch = repeat
    name = f"{variant} {result} seed {seed}"
    return name if sketch == seed else f"{name} sketch {sketch}"


class Facts(NamedTuple):
    """Digests of the config of a column (fields that change its result), of videos."""

    config: str
    videos: str


def facts_of(experiment: Experiment) -> Facts:
    """What the predictions of an experiment belong to."""
    config = config_facts.digest(experiment.config)
    videos = experiment.dataset.digest_of(experiment.split.test)
    return Facts(config[:_DIGITS], videos[:_DIGITS])


class ResultStore(NamedTuple):
    """The predictions of a study in a folder, which is made by the first of them."""

    folder: epath.Path

    def seconds(self, table: str) -> dict[str, float]:
        """CPU seconds that the runs of a table took, by column."""
        return {
            key.removeprefix(f"{table}: "): note["seconds"]
            for key, note in self._notes()["runs"].items()
            if key.startswith(f"{table}: ")
        }

    def read(self, table: str) -> Predictions | None:
        """The predictions of a table, or None; raises UsageError for a changed file."""
        path = self._path(table)
        if not path.exists():
            return None
        if _digest(path.read_bytes()) not in self._notes()["answers"].get(table, ()):
            raise UsageError(
                f"{path}: not the file that the study wrote; restore it, or delete it "
                "and run the same command again, which reads or repeats its runs"
            )
        return Predictions.from_csv(path)

    def has(self, table: str, columns: Collection[str], facts: Facts) -> bool:
        """Whether a run's columns are there; UsageError for other configs or videos."""
        known = self.read(table)
        names = known.predicted if known else ()
        notes = self._notes()["runs"]
        for name in names:
            note = notes.get(f"{table}: {name}", {})
            same_videos = note.get("videos") == facts.videos
            same_config = name not in columns or note.get("config") == facts.config
            if not (same_videos and same_config):
                other = "another config" if same_videos else "other videos"
                raise UsageError(
                    f"{self._path(table)}: its column {name!r} is of {other}; choose "
                    "another --results, or delete that file"
                )
        return set(columns) <= set(names)

    def add(
        self,
        table: str,
        columns: Mapping[str, str],
        facts: Facts,
        tested: run_dir.Tested,
        seconds: float,
    ) -> None:
        """Adds a run's results to their columns; others may add at the same time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locks.turn(self.folder):
            path, notes = self._path(table), self._notes()
            text = _joined(self.read(table), columns, tested).to_csv()
            note = facts._asdict()
            for key in (f"{table}: {name}" for name in columns.values()):
                # Where only the file was lost, the run is there and takes no time now.
                if not notes["runs"].get(key, {}).items() >= note.items():
                    notes["runs"][key] = note | {"seconds": round(seconds, 1)}
            old = [_digest(path.read_bytes())] if path.exists() else []
            # The file is one of the two until it is written, however often that fails.
            notes["answers"][table] = [*old, _digest(text.encode())]
            content = json.dumps(notes, indent=1, sort_keys=True)
            files.write_whole(self.folder / RUNS, content + "\n")
            files.write_whole(path, text)

    def _path(self, table: str) -> epath.Path:
        return self.folder / f"{table}.csv"

    def _notes(self) -> dict[str, dict[str, Any]]:
        path = self.folder / RUNS
        if not path.exists():
            return {"answers": {}, "runs": {}}
        remedy = "restore it, or delete it with the .csv files and run the study again"
        notes = manifest.read(path, remedy)
        for name, kind in _KINDS.items():
            field = notes.get(name)
            if not isinstance(field, dict) or not all(
                isinstance(value, kind) for value in field.values()
            ):
                problem = f"{path}: not the JSON that was written there ({name})"
                raise UsageError(f"{problem}; {remedy}")
        return notes


def store_of(folder: epath.Path, fold: int | None) -> ResultStore:
    """The predictions of a study's test videos, or of a fold."""
    return ResultStore(folder if fold is None else folder / f"fold{fold}")


def read_folds(
    folder: epath.Path, table: str, folds: int
) -> tuple[Predictions | None, dict[str, float]]:
    """The predictions that all folds have, one fold behind the other, and CPU minutes.

    The minutes are the mean of a column's runs. Without folds it is `read`.
    """
    if not folds:
        return ResultStore(folder).read(table), {}
    stores = [store_of(folder, fold) for fold in range(folds)]
    found = [one for store in stores if (one := store.read(table))]
    if len(found) < folds:
        return None, {}
    names = [n for n in found[0].predicted if all(n in one.predicted for one in found)]
    chain = itertools.chain.from_iterable
    whole = Predictions(
        videos=[*chain(one.videos for one in found)],
        groups=[*chain(one.groups for one in found)],
        labels=[*chain(one.labels for one in found)],
        predicted={n: [*chain(one.predicted[n] for one in found)] for n in names},
    )
    seconds = [store.seconds(table) for store in stores]
    return whole, {n: sum(one[n] for one in seconds) / folds / 60 for n in names}


def _joined(
    known: Predictions | None, columns: Mapping[str, str], tested: run_dir.Tested
) -> Predictions:
    """The predictions known and those of a test."""
    labels = [tested.classes[i] for i in tested.labels]
    groups = [tested.prepared["groups"].get(label, "") for label in labels]
    predicted = dict(known.predicted) if known else {}
    for result, name in columns.items():
        best = tested.probabilities[result].argmax(1)
        predicted[name] = [tested.classes[i] for i in best]
    return Predictions(tested.videos, groups, labels, predicted)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
