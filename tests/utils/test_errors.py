"""Errors of a user or a disk are one line, the last one, with a status of its own."""

import errno
import os
import subprocess
import sys

import pytest

from stpn_jax.utils import errors, files
from stpn_jax.utils.errors import UsageError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def raising(*chain):
    """A command that raises the first error from the second one, and so on."""

    def command():
        for error, cause in zip(chain, (*chain[1:], None), strict=True):
            error.__cause__ = cause
        raise chain[0]

    return command


@pytest.mark.parametrize(
    ("chain", "line"),
    [
        ([FULL], "the disk is full"),
        ([OSError(errno.ENOSPC, "no", "/a/b")], "the disk of /a/b is full"),
        ([OSError(errno.EDQUOT, "no")], "the disk is full"),
        ([ValueError("x"), KeyError("y"), FULL], "the disk is full"),
        (
            [ValueError("RESOURCE_EXHAUSTED: a: No space left on device [28]")],
            "the disk is full",
        ),
        ([PermissionError(errno.EACCES, "denied", "/a")], "/a: denied; mend that"),
        ([UsageError("--a is missing")], "--a is missing"),
    ],
)
def test_an_error_of_the_users_or_a_disks_is_one_line(chain, line, capsys):
    assert errors.guard(raising(*chain)) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {line}") and told.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("RESOURCE_EXHAUSTED: Out of memory"),
        OSError("no name"),
        BrokenPipeError(errno.EPIPE, "of a worker"),
    ],
)
def test_every_other_error_passes(error, capfd):
    with capfd.disabled(), pytest.raises(type(error)):
        errors.guard(raising(error))


def test_what_is_written_while_another_error_is_handled_counts(capsys):
    def command():
        try:
            raise FULL
        finally:
            raise RuntimeError("cannot close")

    assert errors.guard(command) == 2
    assert "the disk is full" in capsys.readouterr().err


def test_the_folder_and_what_is_kept_are_told():
    with (
        pytest.raises(UsageError, match=r"disk of /run is full; all is kept"),
        files.disk_errors_told("/run", "all is kept"),
    ):
        raising(ValueError("x"), FULL)()
    with (
        pytest.raises(UsageError, match=r"^as it was$"),
        files.disk_errors_told("/run", "all is kept"),
    ):
        raise UsageError("as it was") from FULL


NOISY = """
import os, signal, sys, threading, time
from stpn_jax.utils import errors

def talk():
    while True:
        os.write(2, b"Traceback of a thread\\n")
        time.sleep(0.001)  # A pipe that is full would hold a line back.

def command():
    threading.Thread(target=talk, daemon=True).start()
    time.sleep(0.1)
    {act}

errors.run(command)
"""


@pytest.mark.parametrize(
    ("act", "status", "line"),
    [
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", 130, "interrupted; "),
        ("raise OSError(28, 'full', '/a/b')", 2, "the disk of /a/b is full; "),
        ("raise errors.UsageError('no')", 2, "no"),
    ],
)
def test_the_line_is_the_last_one(act, status, line):
    program = "import signal; signal.signal(2, signal.default_int_handler)\n"
    done = subprocess.run(
        [sys.executable, "-c", program + NOISY.format(act=act)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status
    assert done.stderr.splitlines()[-1].startswith(f"error: {line}")


@pytest.mark.parametrize(
    ("message", "is_told"), [("Event loop is closed", False), ("another", True)]
)
def test_of_what_cannot_be_raised_a_closed_loop_is_not_told(message, is_told):
    program = f"""
from stpn_jax.utils import errors

class Callback:
    def __del__(self):
        raise RuntimeError({message!r})

errors.run(lambda: str(Callback()) and 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (message in done.stderr) == is_told


def test_an_unforeseen_error_keeps_its_traceback():
    program = "from stpn_jax.utils import errors; errors.run(lambda: 1 / 0)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_went_away_ends_it_quietly(unbuffered):
    program = (
        "from stpn_jax.utils import errors; errors.run(lambda: print('a\\n' * 9**6))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == errors.BROKEN_PIPE
