"""What a stage reports: the metrics of its updates, checked, printed and written."""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from stpn_jax import parallel
from stpn_jax.config import StageConfig
from stpn_jax.train import console, metrics
from stpn_jax.train.step import NOT_FINITE
from stpn_jax.utils.errors import UsageError

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
        self._progress = console.Progress(stage.name, first, stage.steps, stage.batch)
        self._pending: list[dict[str, jax.Array]] = []
        self._row: dict[str, float] = {}
        self._writer = None
        if parallel.is_first_host():
            self._writer = metrics.MetricsWriter(directory, first)

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
                "learning_rate or clip"
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
