"""A trace of some updates, for TensorBoard's profiler and ui.perfetto.dev."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
from etils import epath

FOLDER = "profile"
# The first update compiles, the second shows whether it compiles again.
SKIPPED, TRACED = 2, 5


class Trace:
    """Traces the host and its devices during a few updates, once."""

    def __init__(self, directory: epath.PathLike, first: int, wanted: bool):
        """Plans a trace in the stage's folder, if wanted, soon after step `first`."""
        self._directory = epath.Path(directory) / FOLDER
        self._start = first + SKIPPED + 1 if wanted else None
        self._is_running = False

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop()  # The stage ended within the traced updates.

    @contextlib.contextmanager
    def of_step(self, step: int) -> Iterator[None]:
        """Wraps one update; the trace has its number."""
        if step == self._start:
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0  # Calls of Python would bury the rest.
            jax.profiler.start_trace(
                self._directory, create_perfetto_trace=True, profiler_options=options
            )
            self._is_running = True
        with jax.profiler.StepTraceAnnotation("update", step_num=step):
            yield
        if self._start is not None and step == self._start + TRACED - 1:
            self._stop()

    def _stop(self) -> None:
        if not self._is_running:
            return
        self._is_running = False
        # An update is only begun when it returns; its end belongs to the trace.
        for device in jax.local_devices():
            jax.device_put(0, device).block_until_ready()
        jax.profiler.stop_trace()
        print(f"trace of some updates: {self._directory}", flush=True)
