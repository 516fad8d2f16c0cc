"""Files written whole, and what a disk has against that, told in one line."""

import contextlib
from collections.abc import Iterator

from etils import epath

from stpn_jax.utils import errors
from stpn_jax.utils.errors import UsageError


def is_remote(path: epath.PathLike) -> bool:
    """Whether a path is on no file system of this machine: gs://BUCKET and the like."""
    return "://" in str(epath.Path(path))


def absolute(path: epath.PathLike) -> epath.Path:
    """A path that does not depend on the working folder; epath mistakes remote ones."""
    return epath.Path(path) if is_remote(path) else epath.Path(path).absolute()


def write_whole(path: epath.Path, content: str | bytes, draft: str = "draft") -> None:
    """Writes under another name first: a killed run never leaves half a file.

    Args:
        path: of the file.
        content: all of it.
        draft: ends the other name; one of their own for processes that write the same
            file at the same time.
    """
    partial = path.with_name(f".{path.name}.{draft}")
    try:
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            partial.write_text(content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def disk_errors_told(folder: epath.PathLike, kept: str) -> Iterator[None]:
    """Turns the errors of a disk into a line that tells what to do.

    Args:
        folder: where is written.
        kept: what of it is not lost, for the message.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if errors.is_full_disk(error):
            raise UsageError(
                f"the disk of {folder} is full; {kept}: make room and run the same "
                "command again"
            ) from error
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise UsageError(
                f"{error.filename or folder}: {error.strerror or error}; mend that and "
                "run the same command again"
            ) from error
        raise
