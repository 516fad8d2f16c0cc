"""Errors that a user can mend, and how a command tells them."""

import argparse
import sys
import threading
from collections.abc import Callable
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


PREEMPTED = 143
"""Exit status then: 128 and the number of the signal, as shells have it."""


def guard(command: Callable[[], object], who: Callable[[], str] = str) -> int:
    """Runs a command that goes on where it stopped; its exit status.

    Args:
        command: to run.
        who: names this process among others, for its last line.

    Returns:
        0, or 2 after an error of the user's, 130 after an interruption, PREEMPTED after
        SIGTERM in training, each told in one line; every other exception passes, with
        its traceback.
    """
    try:
        command()
    except UsageError as error:
        return _fail(f"{who()}{error}", 2)
    except OSError as error:
        if not error.filename:
            raise
        line = f"{error.filename}: {error.strerror}; mend that or choose another place"
        return _fail(f"{who()}{line}", 2)
    except PreemptedError as error:
        return _fail(f"{who()}{error}; the same command goes on from here", PREEMPTED)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from here", 130)
    return 0


def _fail(line: str, status: int) -> int:
    # Threads of libraries that the end surprises shall not bury the line.
    threading.excepthook = lambda _: None
    print(f"error: {line}", file=sys.stderr)
    return status
