"""RESULTS.md: text by hand, and tables between markers.

A table stands between `<!-- STUDY/TABLE -->` and `<!-- end -->`; all else in the file
is left as it is. Markers that a file lacks are added at its end.
"""

import argparse
import os
from collections.abc import Iterable, Mapping

from etils import epath

from stpn_jax.utils import files, locks
from stpn_jax.utils.errors import UsageError

END = "<!-- end -->"
REPORT = "RESULTS.md"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the results and the tables go."""
    parser.add_argument("--results", default="results", help="folder of the results")
    parser.add_argument(
        "--report",
        default="",
        help=f"file of the tables [{REPORT}, or in --results where that is given]",
    )


def path_of(options: argparse.Namespace) -> epath.Path:
    """The file of the tables: other results do not get into those of `results/`."""
    if options.report:
        return epath.Path(options.report)
    if options.results == "results":
        return epath.Path(REPORT)
    return epath.Path(options.results) / REPORT


def make_folder(results: str, name: str) -> epath.Path:
    """Folder of the results of a study, made if absent.

    Raises:
        UsageError: it cannot be made or written to.
    """
    if not results:
        raise UsageError("--results=: expected the name of a folder")
    folder = epath.Path(results) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--results={results}: {error.strerror}") from error
    if not files.is_remote(folder) and not os.access(folder, os.W_OK):
        raise UsageError(f"--results={results}: it cannot be written to")
    return folder


def check(path: epath.Path, markers: Iterable[str] = ()) -> epath.Path:
    """The file to write, behind any links.

    Args:
        path: of the file, there or not.
        markers: of the tables to write; each may be there, once and with its end.

    Raises:
        UsageError: it is no file of text, its folder does not exist or cannot be
            written to, or one of the markers is not as it should be.
    """
    found = path
    if not files.is_remote(path):
        # epath's own resolve() keeps links, and its is_file() is true of a device.
        found = epath.Path(os.path.realpath(path))
        if found.exists() and not os.path.isfile(found):
            raise UsageError(f"--report={path}: not a file")
        if not found.parent.is_dir():
            raise UsageError(f"--report={path}: its folder does not exist")
        if not os.access(found.parent, os.W_OK):
            raise UsageError(f"--report={path}: its folder cannot be written to")
    _insert_all(found, dict.fromkeys(markers, ""))
    return found


def write(path: epath.Path, tables: Mapping[str, str]) -> None:
    """Writes tables by their markers into a file, which is made if absent."""
    with locks.turn(path.parent):
        files.write_whole(path, _insert_all(path, tables))


def _insert_all(path: epath.Path, tables: Mapping[str, str]) -> str:
    try:
        text = path.read_text() if path.exists() else ""
        for marker, table in tables.items():
            text = insert(text, marker, table)
    except UnicodeDecodeError as error:
        raise UsageError(f"--report={path}: not a text file in UTF-8") from error
    except UsageError as error:
        raise UsageError(f"--report={path}: {error}") from error
    return text


def insert(text: str, marker: str, table: str) -> str:
    """The text with a table between the marker and its end.

    Raises:
        UsageError: the marker's end is missing: what follows would be lost; or the
            marker is there twice: one of the tables would be out of date.
    """
    start = f"<!-- {marker} -->"
    block = f"{start}\n{table}{END}"
    before, found, rest = text.partition(start)
    if not found:
        return f"{text.rstrip()}\n\n{block}\n".lstrip()
    inside, ended, after = rest.partition(END)
    if not ended or "<!--" in inside:
        raise UsageError(f"it lacks the {END} of {start}")
    if start in after:
        raise UsageError(f"it has {start} twice; delete one of the two tables")
    return before + block + after
