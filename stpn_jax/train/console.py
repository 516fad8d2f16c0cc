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
