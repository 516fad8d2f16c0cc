"""Errors that a user can mend, and how a command tells them."""

import argparse
import errno
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn


class UsageError(Exception):
    """Names the file, field or clip, what was expected, what was found, what to do.

    The doors (main, table, study, prepare, predict) print it as one line and exit
    with 2.
    """


class Parser(argparse.ArgumentParser):
    """Of a door's options: in full, and what is wrong with them is a UsageError."""

    def __init__(self, **more: Any):
        """Arguments as argparse's."""
        super().__init__(**{"allow_abbrev": False} | more)

    def error(self, message: str) -> NoReturn:
        """Raises: UsageError."""
        raise UsageError(f"{message}; --help lists the options")


class PreemptedError(Exception):
    """The system asked for the end by SIGTERM, and all that was done is saved."""


BROKEN_PIPE, PREEMPTED = 141, 143
"""Exit statuses: 128 and the number of the signal, as shells have it."""

_STDERR = 2
_PAUSE = 0.02  # seconds: a line that a thread is writing comes first
_GOES_ON = "the same command goes on from here"


def run(command: Callable[[], int | None], who: Callable[[], str] = str) -> NoReturn:
    """Runs a door's command as guard does, and ends the process with its status.

    The line of an error is the last that is seen: what threads of libraries say when
    the end surprises them would bury it.
    """
    threading.excepthook = _in_a_thread
    sys.unraisablehook = _in_c
    status = guard(command, who, _tell_last)
    if status:
        _silence(_STDERR)
    sys.exit(status)


def guard(
    command: Callable[[], int | None],
    who: Callable[[], str] = str,
    tell: Callable[[str], object] = lambda line: print(line, file=sys.stderr),
) -> int:
    """Runs a command that goes on where it stopped; its exit status.

    Args:
        command: to run; what it returns is the status, 0 for None.
        who: names this process among others, for its last line.
        tell: prints that line.

    Returns:
        2 after an error of the user's or a disk's, 130 after an interruption, PREEMPTED
        after SIGTERM in training, each told in one line; BROKEN_PIPE where nobody reads
        what is printed. Every other exception passes, with its traceback.
    """
    try:
        status = command() or 0
        sys.stdout.flush()
        return status
    except UsageError as error:
        line, status = f"{who()}{error}", 2
    except PreemptedError as error:
        line, status = f"{who()}{error}; {_GOES_ON}", PREEMPTED
    except KeyboardInterrupt:
        line, status = f"interrupted; {_GOES_ON}", 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return BROKEN_PIPE
        if not (told := of_a_disk(error)):
            raise
        line, status = f"{who()}{told}", 2
    tell(f"error: {line}")
    return status


def of_a_disk(error: BaseException) -> str:
    """One line on what a disk has against a file; empty for other errors."""
    if is_full_disk(error):
        which = "the disk" + next(
            (f" of {n}" for n in map(_name, _chain(error)) if n), ""
        )
        return f"{which} is full; make room and run the same command again"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; mend that or choose another place"
    return ""


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that it comes from, is that a disk is full."""
    return any(map(_is_full, _chain(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it was raised from, or while they were handled."""
    while error is not None:
        yield error
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)


def _is_full(error: BaseException) -> bool:
    """Libraries in C++ have errors of their own for it."""
    return (
        getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or type(error).__name__ == "ResourceExhaustedError"
        or "No space left on device" in str(error)
        or "Disk quota exceeded" in str(error)
    )


def _name(error: BaseException) -> str:
    return str(getattr(error, "filename", None) or "")


def _nobody_reads() -> bool:
    """Whether standard output is closed; Python shall not complain of it at the end."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    is_closed = bool(poll.poll(0))
    if is_closed:
        _silence(sys.stdout.fileno())
    return is_closed


def _tell_last(line: str) -> None:
    """Prints a line that nothing follows."""
    stderr = os.dup(_STDERR)
    _silence(_STDERR)
    time.sleep(_PAUSE)
    with os.fdopen(stderr, "w", errors="backslashreplace") as file:
        file.write(f"{line}\n")


def _in_a_thread(error: threading.ExceptHookArgs) -> None:
    """A full disk is told by the main thread, which comes upon it as well."""
    if not (error.exc_value and is_full_disk(error.exc_value)):
        threading.__excepthook__(error)


def _in_c(error: Any) -> None:
    """Threads of C libraries say that the event loop they call back is closed.

    It is closed because the main thread has failed, which tells why.
    """
    if "Event loop is closed" not in str(error.exc_value):
        sys.__unraisablehook__(error)


def _silence(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
