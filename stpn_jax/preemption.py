"""Preemption: SIGTERM ends training after a step that is saved, on all hosts."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import jax

from stpn_jax.utils.errors import PreemptedError

_SIGNALLED = threading.Event()


def check() -> None:
    """Raises PreemptedError after a SIGTERM within `caught`, for long loops."""
    if _SIGNALLED.is_set():
        raise PreemptedError("ended by SIGTERM")


@contextlib.contextmanager
def caught() -> Iterator[Callable[[int], bool]]:
    """Catches SIGTERM in the block.

    Yields a function that says, after each step, whether to end with this one: on many
    hosts the same step for all, once one of them was signalled.

    Raises:
        PreemptedError: at the end, if the signal came after the last step.
    """
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        yield multihost_utils.reached_preemption_sync_point
        return
    _SIGNALLED.clear()
    if threading.current_thread() is not threading.main_thread():
        yield lambda step: False  # Only the main thread receives signals.
        return
    before = signal.signal(signal.SIGTERM, lambda *_: _SIGNALLED.set())
    try:
        yield lambda step: _SIGNALLED.is_set()
    finally:
        signal.signal(signal.SIGTERM, before)
    if _SIGNALLED.is_set():
        raise PreemptedError("ended by SIGTERM")
