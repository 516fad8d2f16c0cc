"""What the disk has against a run of prepare, told in one line."""

import contextlib
import errno
from collections.abc import Iterator

from etils import epath

from stpn_jax.errors import UsageError


@contextlib.contextmanager
def errors_told(data_dir: epath.Path) -> Iterator[None]:
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
                f"{error.filename or data_dir}: {error.strerror}"
            ) from error
        raise


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
