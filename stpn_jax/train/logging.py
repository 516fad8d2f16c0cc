"""What a stage reports: the metrics of its updates, checked, printed and written."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import StageConfig
from stpn_jax.train.step import NOT_FINITE
from stpn_jax.utils.errors import UsageError

if TYPE_CHECKING:
    import tensorboardX
import datetime
import json

from stpn_jax.utils import files

VALIDATION = "validation_mean_class_accuracy"
EARLY = 2
"""Updates of a process that are printed in any case: to see that it runs, how fast."""


class Journal:
    """Metrics wait on the devices until some are due; then all are looked at."""

    def __init__(
        self,
        directory: epath.PathLike,
        stage: StageConfig,
        first: int,
        names: Sequence[str],
    ):
        """Starts after a step.

        Args:
            directory: for the metrics, which the first host writes.
            stage: whose updates they are.
            first: updates done before.
            names: of the videos, for messages.
        """
        self._stage, self._first, self._names = stage, first, names
        self._progress = Progress(stage.name, first, stage.steps, stage.batch)
        self._pending: list[dict[str, jax.Array]] = []
        self._row: dict[str, float] = {}
        self._writer = None
        if parallel.is_first_host():
            self._writer = MetricsWriter(directory, first)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._writer:
            self._writer.close()

    def is_early(self, step: int) -> bool:
        """Whether this is one of the first updates of the process."""
        return step <= self._first + EARLY

    def add(self, values: dict[str, jax.Array]) -> None:
        """Takes the metrics of the next update, without waiting for them."""
        self._pending.append(values)

    def check(self, step: int, prints: bool) -> None:
        """Fetches what is pending, all of which must be finite.

        Args:
            step: number of the last update.
            prints: whether its metrics are shown.

        Raises:
            UsageError: they are not; it names the step and the clips.
        """
        for number, values in enumerate(
            jax.device_get(self._pending), step - len(self._pending) + 1
        ):
            videos = values.pop(NOT_FINITE, np.zeros(0, np.int32))
            self._row = {name: float(value) for name, value in values.items()}
            self._check_finite(number, videos[videos >= 0])
        self._pending = []
        if prints:
            self._row |= self._progress.report(step, self._row)

    def _check_finite(self, step: int, videos: np.ndarray) -> None:
        wrong = [n for n, value in self._row.items() if not math.isfinite(value)]
        if wrong:
            clips = ", ".join(self._names[video] for video in np.unique(videos))
            named = f" (clips: {clips})" if clips else ""
            raise UsageError(
                f"stage {self._stage.name}: {wrong[0]} is {self._row[wrong[0]]} at "
                f"step {step}{named}; the last checkpoint is kept; lower "
                "learning_rate or max_grad_norm"
            )

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Around what is not training: it is left out of the rate."""
        started = time.monotonic()
        yield
        self._progress.skip(time.monotonic() - started)

    def write(self, step: int, score: float | None) -> None:
        """Writes the metrics checked last.

        Args:
            step: number of their update.
            score: on the validation part, if it was measured.
        """
        if self._writer:
            more = {} if score is None else {VALIDATION: score}
            self._writer.write(step, self._row | more)


REMOTE = ("gs", "s3", "az", "hf")


def open_writer(directory: epath.Path, first_step: int) -> "tensorboardX.SummaryWriter":
    """A writer whose file goes on after first_step: what is later is dropped."""
    import tensorboardX  # Slow to import, and needed by the training host only.

    for scheme in REMOTE:
        tensorboardX.record_writer.register_writer_factory(scheme, _RemoteFiles())
    return tensorboardX.SummaryWriter(str(directory), purge_step=first_step + 1)


class _RemoteFiles:
    """What tensorboardX asks of a file system; its own for buckets need a library."""

    def open(self, path: str) -> "_RemoteFile":
        return _RemoteFile(path)

    def directory_check(self, path: str) -> None:
        """Buckets have no folders to make."""


class _RemoteFile:
    """A file that cannot be added to: it is kept in memory and written anew."""

    def __init__(self, path: str):
        self._path, self._content, self._written = epath.Path(path), bytearray(), 0

    def write(self, data: bytes) -> None:
        self._content += data

    def flush(self) -> None:
        if len(self._content) > self._written:
            self._path.write_bytes(bytes(self._content))
            self._written = len(self._content)

    def close(self) -> None:
        self.flush()


class Progress:
    """Rate and time left of a stage, from the steps since the last report.

    The first report of a process covers the compilation and is left out of the rate.
    """

    def __init__(self, name: str, first: int, last: int, batch: int):
        """Starts the clock at step `first` of `last`, `batch` snippets each."""
        self._name, self._last, self._batch = name, last, batch
        self._step, self._time = first, time.monotonic()
        self._seconds_per_step: float | None = None

    def report(self, step: int, values: dict[str, float]) -> dict[str, float]:
        """Prints a line for this step; returns the rate, once it is known."""
        now = time.monotonic()
        seconds = (now - self._time) / max(step - self._step, 1)
        is_first = self._seconds_per_step is None
        self._seconds_per_step = seconds
        self._step, self._time = step, now
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        start = f"[{self._name}] {step}/{self._last}  {shown}"
        if is_first:
            print(f"{start}  compiled in {seconds:.0f} s", flush=True)
            return {}
        rate = self._batch / seconds
        left = datetime.timedelta(seconds=round((self._last - step) * seconds))
        print(f"{start}  {rate:.0f} snippets/s  {left} left", flush=True)
        return {"snippets_per_second": rate}

    def skip(self, seconds: float) -> None:
        """Leaves out of the rate what was not training (validation)."""
        self._time += seconds


JSON_LINES = "metrics.jsonl"


class MetricsWriter:
    """Writes {step, name: value} rows; rows after first_step are dropped on opening."""

    def __init__(self, directory: epath.PathLike, first_step: int):
        """Opens the files of a folder to go on after first_step."""
        self._directory = epath.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._rows = [row for row in read(self._directory) if row["step"] <= first_step]
        self._flush()
        self._board = open_writer(self._directory / "tensorboard", first_step)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds a row; the file on disk is whole at any time."""
        self._rows.append({"step": step} | values)
        self._flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes the TensorBoard file."""
        self._board.close()

    def _flush(self) -> None:
        text = "".join(json.dumps(row) + "\n" for row in self._rows)
        files.write_whole(self._directory / JSON_LINES, text)


def read(directory: epath.PathLike) -> list[dict[str, Any]]:
    """The rows written so far; a half-written last line is ignored.

    Raises:
        UsageError: another line is no JSON.
    """
    path = epath.Path(directory) / JSON_LINES
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise UsageError(
                    f"{path}: line {number} is not JSON; remove that line, which costs "
                    "a point of the curves"
                ) from error
    return rows
