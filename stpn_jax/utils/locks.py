"""Locks on folders, held until the block or the process ends; remote ones have none."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from etils import epath

from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError


@contextlib.contextmanager
def alone_in(
    folder: epath.PathLike, locks: epath.PathLike, share: str = ""
) -> Iterator[None]:
    """Locks a folder, or a share of the work in it, against other processes.

    Processes with different shares, each with a file in the folder `locks`, may hold
    it together.

    Raises:
        UsageError: another process holds it.
    """
    if files.is_remote(folder):
        yield
        return
    with contextlib.ExitStack() as stack:
        mode = fcntl.LOCK_SH if share else fcntl.LOCK_EX
        held = stack.enter_context(_opened(folder, os.O_RDONLY))
        _lock(held, mode, f"{folder}: another prepare is at work there")
        if share:
            path = epath.Path(locks) / f"{share.replace(' ', '_')}.lock"
            held = stack.enter_context(_opened(path, os.O_RDWR | os.O_CREAT))
            _lock(held, fcntl.LOCK_EX, f"{folder}: another prepare works as {share}")
        yield


@contextlib.contextmanager
def turn(folder: epath.PathLike) -> Iterator[None]:
    """Locks a folder, and waits while another process holds it."""
    if files.is_remote(folder):
        yield
        return
    with _opened(folder, os.O_RDONLY) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: waiting for the process at work there", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _opened(path: epath.PathLike, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, mode: int, taken: str) -> None:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"{taken}; wait until it ends, or choose another --data_dir"
        ) from error
