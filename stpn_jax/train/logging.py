"""Metrics of a stage's updates: to the terminal, as JSON lines and to TensorBoard."""

import contextlib
import datetime
import json
import math
import time
import types
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import StageConfig
from stpn_jax.train.step import NOT_FINITE
from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError

if TYPE_CHECKING:
    import tensorboardX

JSON_LINES, TENSORBOARD = "metrics.jsonl", "tensorboard"
VALIDATION = "validation_mean_class_accuracy"


class MetricsLog:
    """Logs the updates of a stage after step `first`; later records are dropped.

    Metrics stay on the devices until some are due, so that no update waits for them.
    Only the first host writes files.
    """

    def __init__(
        self,
        directory: epath.PathLike,
        stage: StageConfig,
        first: int,
        names: Sequence[str],
    ):
        """Opens the files in the stage's directory; messages name the videos."""
        self._stage, self._names = stage, names
        self._pending: list[dict[str, jax.Array]] = []
        self._latest: dict[str, float] = {}
        # Step and time of the last line. The first line covers the compilation.
        self._printed, self._time = first, time.monotonic()
        self._is_compiled = False
        self._tensorboard = None
        if parallel.is_first_host():
            self._path = epath.Path(directory) / JSON_LINES
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._records = [one for one in read(directory) if one["step"] <= first]
            self._write_records()
            self._tensorboard = _open_tensorboard(self._path.parent, first)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._tensorboard:
            self._tensorboard.close()

    def add(self, values: dict[str, jax.Array]) -> None:
        """Takes the metrics of the next update, without waiting for them."""
        self._pending.append(values)

    def check(self, step: int) -> None:
        """Fetches all pending metrics, the last of them those of `step`.

        Raises:
            UsageError: one is not finite; the message names the step and the clips.
        """
        first = step - len(self._pending) + 1
        for number, values in enumerate(jax.device_get(self._pending), first):
            videos = values.pop(NOT_FINITE, np.zeros(0, np.int32))
            self._latest = {name: float(value) for name, value in values.items()}
            names = (self._names[video] for video in np.unique(videos[videos >= 0]))
            clips = f" (clips: {found})" if (found := ", ".join(names)) else ""
            for name, value in self._latest.items():
                if not math.isfinite(value):
                    raise UsageError(
                        f"stage {self._stage.name}: {name} is {value} at step {number}"
                        f"{clips}; the last checkpoint is kept; lower learning_rate or "
                        "max_grad_norm"
                    )
        self._pending = []

    def print(self, step: int) -> None:
        """Prints the metrics checked last, with the rate and the time left."""
        now = time.monotonic()
        seconds = (now - self._time) / max(step - self._printed, 1)
        self._printed, self._time = step, now
        shown = "  ".join(f"{name} {value:.4g}" for name, value in self._latest.items())
        line = f"[{self._stage.name}] {step}/{self._stage.steps}  {shown}"
        if not self._is_compiled:
            self._is_compiled = True
            print(f"{line}  compiled in {seconds:.0f} s", flush=True)
            return
        rate = self._stage.batch / seconds
        left = datetime.timedelta(seconds=round((self._stage.steps - step) * seconds))
        print(f"{line}  {rate:.0f} snippets/s  {left} left", flush=True)
        self._latest["snippets_per_second"] = rate

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the block, validation for example, out of the rate."""
        started = time.monotonic()
        yield
        self._time += time.monotonic() - started

    def write(self, step: int, score: float | None) -> None:
        """Writes the metrics checked last, with the validation score if there is one.

        metrics.jsonl is whole at any time.
        """
        if not self._tensorboard:
            return
        values = self._latest | ({} if score is None else {VALIDATION: score})
        self._records.append({"step": step} | values)
        self._write_records()
        for name, value in values.items():
            self._tensorboard.add_scalar(name, value, step)

    def _write_records(self) -> None:
        text = "".join(json.dumps(record) + "\n" for record in self._records)
        files.write_whole(self._path, text)


def read(directory: epath.PathLike) -> list[dict[str, Any]]:
    """The records of a stage's folder; a half-written last line is ignored.

    Raises:
        UsageError: another line is no JSON.
    """
    path = epath.Path(directory) / JSON_LINES
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise UsageError(
                    f"{path}: line {number} is not JSON; remove that line, which costs "
                    "a point of the curves"
                ) from error
    return records


def _open_tensorboard(
    directory: epath.Path, first: int
) -> "tensorboardX.SummaryWriter":
    import tensorboardX  # Slow to import, and needed by the training host only.

    # Its own writers for buckets need further libraries.
    remote = types.SimpleNamespace(open=_RemoteFile, directory_check=lambda path: None)
    for scheme in ("gs", "s3", "az", "hf"):
        tensorboardX.record_writer.register_writer_factory(scheme, remote)
    return tensorboardX.SummaryWriter(
        str(directory / TENSORBOARD), purge_step=first + 1
    )


class _RemoteFile:
    """A file that cannot be appended to: kept in memory and written anew."""

    def __init__(self, path: str):
        self._path, self._content, self._written = epath.Path(path), bytearray(), 0

    def write(self, data: bytes) -> None:
        self._content += data

    def flush(self) -> None:
        if len(self._content) > self._written:
            self._path.write_bytes(bytes(self._content))
            self._written = len(self._content)

    close = flush
