"""The predictions of a study's runs on disk: TABLE.csv, and runs.json beside them.

TABLE.csv has a line for each test video: video, group and label, then the class that
each run predicts. runs.json keeps for every column which config gave it, on which
videos, in how many seconds, and the checksums of the CSV files: predictions of other
configs or other videos never get into one table.
"""

import csv
import dataclasses
import hashlib
import io
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Bool

from stpn_jax import config as configs
from stpn_jax.experiment import run_dir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.utils import files, locks, manifest
from stpn_jax.utils.errors import UsageError
from studies.rows import Repeat

RUNS = "runs.json"
_FIXED = ("video", "group", "label")
_SECTIONS = {"answers": list, "runs": dict}  # of RUNS: checksums, notes of columns
_DIGITS = 16  # of a digest


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predicted classes of the test videos.

    Attributes:
        videos: their names.
        groups: group of each video's class; empty without groups.
        labels: true classes.
        predicted: column of a run -> the class of each video.
    """

    videos: Sequence[str]
    groups: Sequence[str]
    labels: Sequence[str]
    predicted: Mapping[str, Sequence[str]]

    def correct(self, column: str) -> Bool[np.ndarray, "n"]:
        """Which videos a run classifies correctly."""
        return np.array(self.predicted[column]) == np.array(self.labels)

    def to_csv(self) -> str:
        """The content of a file."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow([*_FIXED, *self.predicted])
        fixed = (self.videos, self.groups, self.labels)
        lines.writerows(zip(*fixed, *self.predicted.values(), strict=True))
        return text.getvalue()

    @classmethod
    def from_csv(cls, path: epath.Path) -> "Predictions":
        """Reads a file; raises UsageError if it is not one that `to_csv` made."""
        lines = list(csv.reader(io.StringIO(path.read_text())))
        is_table = len(lines) > 1 and len({len(line) for line in lines}) == 1
        if not is_table or tuple(lines[0][:3]) != _FIXED:
            raise UsageError(
                f"{path}: not a table of predictions ({', '.join(_FIXED)}, ...)"
            )
        videos, groups, labels, *predicted = zip(*lines[1:], strict=True)
        by_run = dict(zip(lines[0][3:], predicted, strict=True))
        return cls(videos, groups, labels, by_run)


def column(variant: str, result: str, repeat: Repeat) -> str:
    """Name of a run's column; a sketch seed of its own stands at the end."""
    seed, sketch = repeat
    name = f"{variant} {result} seed {seed}"
    return name if sketch == seed else f"{name} sketch {sketch}"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a column of predictions belongs to.

    Attributes:
        config: digest of the config, but for what does not change the result.
        videos: digest of the test videos.
    """

    config: str
    videos: str


def facts_of(experiment: Experiment) -> Facts:
    """What the predictions of an experiment belong to."""
    config = configs.digest(experiment.config)
    videos = experiment.dataset.digest_of(experiment.split.test)
    return Facts(config[:_DIGITS], videos[:_DIGITS])


@dataclasses.dataclass(frozen=True)
class ResultStore:
    """The predictions of a study.

    Attributes:
        folder: of the files; made when there is something to write.
    """

    folder: epath.Path

    def read(self, table: str) -> Predictions | None:
        """The predictions of a table, if there are any.

        Raises:
            UsageError: the file is not the one that was written.
        """
        path = self._path(table)
        if not path.exists():
            return None
        if _digest(path.read_bytes()) not in self._notes()["answers"].get(table, ()):
            raise UsageError(
                f"{path}: not the file that the study wrote; restore it, or delete it: "
                "the same command writes it again from its runs"
            )
        return Predictions.from_csv(path)

    def has(self, table: str, columns: Collection[str], facts: Facts) -> bool:
        """Whether the columns of a run are there.

        Raises:
            UsageError: they are of another config, or the table is of other videos.
        """
        known = self.read(table)
        if known is None:
            return False
        notes = self._notes()["runs"]
        for name in known.predicted:
            note = notes.get(f"{table}: {name}", {})
            other = ""
            if note.get("videos") != facts.videos:
                other = "other videos"
            elif name in columns and note.get("config") != facts.config:
                other = "another config"
            if other:
                raise UsageError(
                    f"{self._path(table)}: its column {name!r} is of {other}; choose "
                    "another --results, or delete that file"
                )
        return set(columns) <= set(known.predicted)

    def add(
        self,
        table: str,
        columns: Mapping[str, str],
        facts: Facts,
        tested: run_dir.Tested,
        seconds: float,
    ) -> None:
        """Adds what a run predicted; others may be adding at the same time.

        Args:
            table: what it is for.
            columns: result of the run -> name of its column.
            facts: of the run.
            tested: what it predicted.
            seconds: that it took.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locks.turn(self.folder):
            path, notes = self._path(table), self._notes()
            text = _joined(self.read(table), columns, tested).to_csv()
            note = dataclasses.asdict(facts)
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
            return {name: {} for name in _SECTIONS}
        remedy = (
            "restore it, or delete it with the .csv files: the same command writes all "
            "again"
        )
        notes = manifest.read(path, remedy)
        for name, kind in _SECTIONS.items():
            section = notes.get(name)
            if not isinstance(section, dict) or not all(
                isinstance(one, kind) for one in section.values()
            ):
                raise UsageError(
                    f"{path}: not the JSON that was written there ({name}); {remedy}"
                )
        return notes


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
