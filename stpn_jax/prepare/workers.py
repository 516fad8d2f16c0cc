"""The pool of workers: single-threaded processes, or threads that share an accelerator.

On a CPU, many single-threaded processes with one clip each are faster than one clip
over many threads. An accelerator is shared by threads of one process: while it computes
the flow of one clip, the next is decoded and the previous one encoded.
"""

import concurrent.futures
import contextlib
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
    """Runs functions in workers; no worker outlives its `with` block."""

    def __init__(self, workers: int):
        self.workers = workers
        self._stack = contextlib.ExitStack()

    @property
    def speed(self) -> int:
        """Clips that progress at full speed; an accelerator computes one at a time."""
        return 1 if has_accelerator() else self.workers

    def __enter__(self) -> "Pool":
        with self._stack:
            self._executor = self._open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is KeyboardInterrupt:
            print(
                "\nfinishing the current clips; Ctrl-C again to end at once", flush=True
            )
        try:
            self._executor.shutdown(wait=True, cancel_futures=True)
        except KeyboardInterrupt:
            # At exit, Python would wait for its workers again.
            for one in (getattr(self._executor, "_processes", None) or {}).values():
                one.kill()
            raise
        finally:
            self._stack.close()

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

        Args:
            function: called in the workers.
            items: its arguments.
            describe: names an item in the error message.

        Raises:
            UsageError: a worker was killed, as by the system when memory ran out.
        """
        pending = {self._executor.submit(function, item): item for item in items}
        try:
            for future in concurrent.futures.as_completed(pending):
                yield future.result()
                del pending[future]
        except process.BrokenProcessPool as error:
            unfinished = [item for future, item in pending.items() if _failed(future)]
            named = ", ".join(map(describe, unfinished[: self.workers]))
            raise UsageError(
                "a worker was killed (most often memory ran out) at one of these "
                f"clips: {named}; finished clips are kept: run the same command again, "
                f"with fewer --workers than {self.workers} or without that clip"
            ) from error

    def _open(self) -> concurrent.futures.Executor:
        if has_accelerator() or self.workers == 1:
            return concurrent.futures.ThreadPoolExecutor(self.workers)
        self._stack.enter_context(_environment(_process_environment()))
        return concurrent.futures.ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_initialise_process,
        )


def _initialise_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Without this a worker would wait for ever after kill -9 of prepare."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _process_environment() -> dict[str, str]:
    """Variables of workers: one thread, the CPU, the parent's compilation cache."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {_SINGLE_THREADED}"
    variables = {"XLA_FLAGS": flags, "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}
    if cache := jax.config.values.get("jax_compilation_cache_dir"):
        variables["JAX_COMPILATION_CACHE_DIR"] = cache
    return variables


def _failed(future: concurrent.futures.Future[R]) -> bool:
    return not future.done() or future.exception() is not None


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets environment variables that processes started inside it inherit."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)
