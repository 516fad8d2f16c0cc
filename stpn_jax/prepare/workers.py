"""The pool of workers: single-threaded processes, or threads that share an accelerator.

On a CPU, many single-threaded processes with one clip each are faster than one clip
over many threads. An accelerator is shared by threads of one process: while it computes
the flow of one clip, the next is decoded and the previous one encoded.
"""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import process
from typing import TypeVar

import cv2
import jax

from stpn_jax.utils.errors import UsageError

_SINGLE_THREADED = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_THREADS_BESIDE_ACCELERATOR = 8

T = TypeVar("T")
R = TypeVar("R")


def has_accelerator() -> bool:
    """Whether JAX computes on anything but the CPU."""
    return jax.default_backend() != "cpu"


def default_workers() -> int:
    """Clips at a time: one a core, and only a few beside an accelerator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = cores or os.cpu_count() or 1
    return min(cores, _THREADS_BESIDE_ACCELERATOR) if has_accelerator() else cores


class Pool:
    """Runs functions in workers; no worker outlives its `with` block.

    Attributes:
        workers: their number.
        speed: clips that progress at full speed; an accelerator computes one at a time.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self.speed = 1 if has_accelerator() else workers
        self._executor: concurrent.futures.Executor
        if has_accelerator() or workers == 1:
            self._executor = concurrent.futures.ThreadPoolExecutor(workers)
        else:
            os.environ.setdefault("OMP_NUM_THREADS", "1")  # Read as NumPy loads.
            self._executor = concurrent.futures.ProcessPoolExecutor(
                workers,
                multiprocessing.get_context("spawn"),
                _initialise_process,
                (jax.config.values.get("jax_compilation_cache_dir"),),
            )

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is KeyboardInterrupt:
            print(
                "\nfinishing the current clips; Ctrl-C again to end at once", flush=True
            )
        if kind is SystemExit:
            self._kill()
        try:
            self._executor.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            self._kill()  # At exit, Python would wait for its workers again.
            raise

    def _kill(self) -> None:
        for one in (getattr(self._executor, "_processes", None) or {}).values():
            one.kill()

    def call(self, function: Callable[..., R], *arguments: object) -> R:
        """function(*arguments) in one worker."""
        return self._executor.submit(function, *arguments).result()

    def map(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        describe: Callable[[T], str],
    ) -> Iterator[R]:
        """Calls a function for each item; yields results in the order of completion.

        Raises:
            UsageError: a worker was killed, as by the system when memory ran out; it
                describes the items that the workers had.
        """
        pending = {self._executor.submit(function, item): item for item in items}
        try:
            for future in concurrent.futures.as_completed(pending):
                yield future.result()
                del pending[future]
        except process.BrokenProcessPool as error:
            unfinished = [
                i for f, i in pending.items() if not f.done() or f.exception()
            ]
            named = ", ".join(map(describe, unfinished[: self.workers]))
            raise UsageError(
                "a worker was killed (most often memory ran out) at one of these "
                f"clips: {named}; finished clips are kept: run the same command again, "
                f"with fewer --workers than {self.workers} or without that clip"
            ) from error


def _initialise_process(compilation_cache: str | None) -> None:
    """One thread, on the CPU; JAX reads these settings when it first computes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_SINGLE_THREADED}"
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_compilation_cache_dir", compilation_cache)


def _exit_with_parent() -> None:
    """Without this a worker would wait for ever after kill -9 of prepare."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
