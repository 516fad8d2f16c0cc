"""Lines for the person who watches a run: what, how far, how fast, how long still."""

import datetime
import time


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
        left = datetime.timedelta(seconds=round((self._last - step) * seconds))
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        rate = {} if is_first else {"snippets_per_second": self._batch / seconds}
        speed = "compiled" if is_first else f"{self._batch / seconds:.0f} snippets/s"
        print(
            f"[{self._name}] {step}/{self._last}  {shown}  {speed}  {left} left",
            flush=True,
        )
        return rate

    def skip(self, seconds: float) -> None:
        """Leaves out of the rate what was not training (validation)."""
        self._time += seconds
