"""Files written whole, and what a disk has against that, told in one line."""

import contextlib
import errno
import fcntl
import os
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
def alone_in(folder: epath.PathLike) -> Iterator[None]:
    """Holds a local folder against other processes of this machine.

    Raises:
        UsageError: another one holds it.
    """
    if "://" in str(folder):
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(
            f"{folder}: another prepare is at work there; wait for its end, or choose "
            "another --data_dir"
        ) from error
    finally:
        os.close(descriptor)


def write_whole(path: epath.Path, text: str) -> None:
    """Writes under another name first: a killed run never leaves half a file."""
    partial = path.with_name(f".{path.name}.partial")
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
