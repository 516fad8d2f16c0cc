"""A trace of some updates, for TensorBoard's profiler and for ui.perfetto.dev."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
from etils import epath

FOLDER = "profile"
# The first update compiles, the second shows whether it compiles again.
SKIPPED, TRACED = 2, 5


class Trace:
    """Writes what the host and its devices did during a few updates, once."""

    def __init__(self, directory: epath.PathLike, first: int, wanted: bool):
        """Plans the trace.

        Args:
            directory: of the stage; the trace lies in its folder `profile`.
            first: updates done before.
            wanted: whether there is to be one.
        """
        self._directory = epath.Path(directory) / FOLDER
        self._start = first + SKIPPED + 1 if wanted else None
        self._runs = False

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()  # The stage, or its interruption, came first.

    @contextlib.contextmanager
    def of_step(self, step: int) -> Iterator[None]:
        """Around one update, which the trace names by its number."""
        if step == self._start:
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # Calls of Python would bury the rest.
            jax.profiler.start_trace(
                self._directory, create_perfetto_trace=True, profiler_options=options
            )
            self._runs = True
        with jax.profiler.StepTraceAnnotation("update", step_num=step):
            yield
        if self._start is not None and step == self._start + TRACED - 1:
            self._stop()

    def _stop(self) -> None:
        if not self._runs:
            return
        self._runs = False
        # An update is only begun when it returns; its end belongs to the trace.
        for device in jax.local_devices():
            jax.device_put(0, device).block_until_ready()
        jax.profiler.stop_trace()
        print(f"trace of some updates: {self._directory}", flush=True)
