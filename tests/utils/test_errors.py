"""Errors of users and disks are one line, the last one, with their exit status."""

import errno
import os
import subprocess
import sys

import pytest

from stpn_jax.utils import errors
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
        ([PermissionError(errno.EACCES, "denied", "/a")], "/a: denied; fix that"),
        ([UsageError("--a is missing")], "--a is missing"),
    ],
)
def test_errors_of_users_and_disks_are_one_line(chain, line, capsys):
    assert errors.guard(raising(*chain)) == 2
    line_printed = capsys.readouterr().err
    assert line_printed.startswith(f"error: {line}")
    assert line_printed.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [("gcsfs.retry", "no access"), ("tensorflow.errors", "cannot read gs://a")],
)
def test_a_bucket_that_cannot_be_reached_is_one_line(module, text, capsys):
    kind = type("CloudError", (Exception,), {"__module__": module})
    assert errors.guard(raising(kind(f"{text}\n now"))) == 2
    line = f"error: {text} now; fix that and run the same command again\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("RESOURCE_EXHAUSTED: Out of memory"),
        OSError("no name"),
        BrokenPipeError(errno.EPIPE, "of a worker"),
    ],
)
def test_other_errors_pass(error, capfd):
    with capfd.disabled(), pytest.raises(type(error)):
        errors.guard(raising(error))


def test_a_full_disk_behind_another_error_is_found(capsys):
    def command():
        try:
            raise FULL
        finally:
            raise RuntimeError("cannot close")

    assert errors.guard(command) == 2
    assert "the disk is full" in capsys.readouterr().err


def test_the_folder_and_what_is_kept_are_named():
    with (
        pytest.raises(UsageError, match=r"disk of /run is full; all is kept"),
        errors.disk_errors("/run", "all is kept"),
    ):
        raising(ValueError("x"), FULL)()
    with (
        pytest.raises(UsageError, match=r"^as it was$"),
        errors.disk_errors("/run", "all is kept"),
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
def test_the_error_is_the_last_line(act, status, line):
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
    ("message", "is_shown"), [("Event loop is closed", False), ("another", True)]
)
def test_callbacks_of_a_closed_event_loop_are_not_shown(message, is_shown):
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
    assert (message in done.stderr) == is_shown


def test_ctrl_c_in_an_import_ends_it_even_where_a_library_swallows_it(tmp_path):
    (tmp_path / "library.py").write_text(
        "import os\ntry:\n    os.kill(os.getpid(), 2)\nexcept BaseException: pass\n"
    )
    program = """
import importlib, signal
from stpn_jax.utils import errors

signal.signal(signal.SIGINT, signal.default_int_handler)
errors.run(lambda: importlib.import_module("library"))
"""
    command = [sys.executable, "-c", program]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 130
    assert done.stderr == "error: interrupted; rerun the same command to resume\n"


def test_an_old_name_is_one_line():
    program = """
import warnings
from stpn_jax.utils import errors

errors.run(lambda: warnings.warn("a is now b", FutureWarning))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "warning: a is now b\n"


def test_other_errors_keep_their_traceback():
    program = "from stpn_jax.utils import errors; errors.run(lambda: 1 / 0)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_the_command_silently(unbuffered):
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


LOSES_A_SIGNAL = """
import gc, os, signal, sys, time
from stpn_jax.utils import errors

def callback(*_):  # As JAX has one, where an exception is lost.
    gc.callbacks.clear()
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(0.01)

def work():
    gc.callbacks.append(callback)
    gc.collect()
    time.sleep(20)

signal.signal(signal.SIGINT, signal.default_int_handler)  # A background ignores it.
errors.run(work)
"""


@pytest.mark.parametrize(("number", "status"), [(2, 130), (15, 143)])
def test_a_signal_in_a_callback_of_the_collector_is_not_lost(number, status):
    command = [sys.executable, "-c", LOSES_A_SIGNAL, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
