"""Folders held against other processes."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from etils import epath

from stpn_jax.utils.errors import UsageError


@contextlib.contextmanager
def alone_in(
    folder: epath.PathLike, locks: epath.PathLike, share: str = ""
) -> Iterator[None]:
    """Holds a local folder, or a share of the work in it, against other processes.

    Args:
        folder: is held against all others; by those that have a share, together.
        locks: folder in it that gets a file for each share.
        share: names a part of the work; empty for all of it.

    Raises:
        UsageError: another process holds it.
    """
    if "://" in str(folder):
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
    """Holds a local folder against others that do the same, or waits until it is free.

    A process that dies gives it free. One in a bucket cannot be held.
    """
    if "://" in str(folder):
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
            f"{taken}; wait for its end, or choose another --data_dir"
        ) from error
