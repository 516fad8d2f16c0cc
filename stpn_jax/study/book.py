"""The book of a part: what its trials answered so far, on disk after each of them.

Beside the answers, COMPARISON.csv, `runs.json` keeps for every column which config gave
it, on which videos, in how many seconds, and the checksums of the CSV files: answers of
other configs or other videos never get into one table.
"""

import dataclasses
import hashlib
import json
from collections.abc import Collection
from typing import Any

from etils import epath

from stpn_jax import config as configs
from stpn_jax.experiment import run_dir
from stpn_jax.experiment.setup import Experiment
from stpn_jax.study import answers
from stpn_jax.utils import files, locks
from stpn_jax.utils.errors import UsageError

RUNS = "runs.json"
_LETTERS = 16  # of a digest


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a column of answers belongs to.

    Attributes:
        config: digest of the config, but for what does not change the result.
        videos: digest of the test videos.
    """

    config: str
    videos: str


def facts_of(experiment: Experiment) -> Facts:
    """What the answers of an experiment belong to."""
    config = configs.digest(experiment.config)[:_LETTERS]
    videos = experiment.dataset.digest_of(experiment.split.test)
    return Facts(config, videos[:_LETTERS])


@dataclasses.dataclass(frozen=True)
class Book:
    """The answers of a part.

    Attributes:
        folder: of the files; made when there is something to write.
    """

    folder: epath.Path

    def answers(self, comparison: str) -> answers.Answers | None:
        """Of a comparison, if there are any.

        Raises:
            UsageError: the file is not the one that was written.
        """
        path = self._path(comparison)
        if not path.exists():
            return None
        if _digest(path.read_bytes()) not in self._runs()["answers"].get(
            comparison, ()
        ):
            raise UsageError(
                f"{path}: not the file that the study wrote; restore it, or delete it: "
                "the same command writes it again from its runs"
            )
        return answers.read(path)

    def has(self, comparison: str, columns: Collection[str], facts: Facts) -> bool:
        """Whether the columns of a trial are there.

        Raises:
            UsageError: other configs gave them, or the others are of other videos.
        """
        known = self.answers(comparison)
        if known is None:
            return False
        runs = self._runs()["runs"]
        for name in known.predicted:
            note = runs.get(f"{comparison}: {name}", {})
            if note.get("videos") != facts.videos:
                self._refuse(comparison, name, "answers other videos")
            if name in columns and note.get("config") != facts.config:
                self._refuse(comparison, name, "is of another config")
        return set(columns) <= set(known.predicted)

    def _refuse(self, comparison: str, column: str, why: str) -> None:
        raise UsageError(
            f"{self._path(comparison)}: its column {column!r} {why}; choose another "
            "--results, or delete that file"
        )

    def add(
        self,
        comparison: str,
        columns: dict[str, str],
        facts: Facts,
        tested: run_dir.Tested,
        seconds: float,
    ) -> None:
        """Adds what a trial answered; others may be adding at the same time.

        Args:
            comparison: what it is for.
            columns: result of the run -> name of its column.
            facts: of the trial.
            tested: what it answered.
            seconds: that it took.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locks.turn(self.folder):
            path, runs = self._path(comparison), self._runs()
            text = answers.as_csv(_joined(self.answers(comparison), columns, tested))
            note = dataclasses.asdict(facts)
            for key in (f"{comparison}: {name}" for name in columns.values()):
                # Where only the file was lost, the runs are there and take no time now.
                if not runs["runs"].get(key, {}).items() >= note.items():
                    runs["runs"][key] = note | {"seconds": round(seconds, 1)}
            old = [_digest(path.read_bytes())] if path.exists() else []
            # The file is one of the two until it is written, however often that fails.
            runs["answers"][comparison] = [*old, _digest(text.encode())]
            content = json.dumps(runs, indent=1, sort_keys=True)
            files.write_whole(self.folder / RUNS, content + "\n")
            files.write_whole(path, text)

    def _path(self, comparison: str) -> epath.Path:
        return self.folder / f"{comparison}.csv"

    def _runs(self) -> dict[str, dict[str, Any]]:
        path = self.folder / RUNS
        if not path.exists():
            return {"answers": {}, "runs": {}}
        try:
            content = json.loads(path.read_text())
            kinds = {"answers": list, "runs": dict}
            for name, kind in kinds.items():
                for key, value in content[name].items():
                    if not isinstance(value, kind):
                        raise TypeError(f"{name}: {key}")
            return {name: dict(content[name]) for name in kinds}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{path}: not the JSON that the study wrote ({error}); restore it, or "
                "delete it with the .csv files: the same command writes all again"
            ) from error


def _joined(
    known: answers.Answers | None, columns: dict[str, str], tested: run_dir.Tested
) -> answers.Answers:
    """The answers known and those of a test."""
    labels = [tested.classes[i] for i in tested.labels]
    groups = [tested.prepared["groups"].get(label, "") for label in labels]
    predicted = dict(known.predicted) if known else {}
    for result, name in columns.items():
        best = tested.probabilities[result].argmax(1)
        predicted[name] = [tested.classes[i] for i in best]
    return answers.Answers(tested.videos, groups, labels, predicted)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_LETTERS]
