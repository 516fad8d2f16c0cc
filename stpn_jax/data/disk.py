"""Files written whole, and what a disk has against that, told in one line."""

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator

from etils import epath

from stpn_jax.errors import UsageError


@contextlib.contextmanager
def errors_told(data_dir: epath.PathLike) -> Iterator[None]:
    """Turns the errors of a disk into a line that tells what to do."""
    try:
        yield
    except Exception as error:
        if any(map(_is_full, _chain(error))):
            raise UsageError(
                f"the disk of {data_dir} is full; finished clips are kept: make room "
                "and run the same command again"
            ) from error
        if isinstance(error, OSError):
            raise UsageError(
                f"{error.filename or data_dir}: {error.strerror}; mend that and run "
                "the same command again"
            ) from error
        raise


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


def write_whole(path: epath.Path, text: str) -> None:
    """Writes under another name first: a killed run never leaves half a file."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    partial.write_text(text)
    partial.replace(path)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_full(error: BaseException) -> bool:
    """Whether a disk is full; TensorFlow's own error for it is known by its name."""
    return (
        getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or type(error).__name__ == "ResourceExhaustedError"
    )
