"""RESULTS.md, and TABLES.md beside the results: text by hand, tables between markers.

A table stands between `<!-- STUDY/TABLE -->` and `<!-- end -->`; all else in the files
is left as it is. A table whose marker is in TABLES.md is written there, every other one
into RESULTS.md: at its end where its marker is missing, the summary at its start.
"""

import argparse
import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from etils import epath

from stpn_jax.report import page
from stpn_jax.utils import files, locks, markdown
from stpn_jax.utils.errors import UsageError

END = "<!-- end -->"
REPORT, MORE = "RESULTS.md", "TABLES.md"
SUMMARY = "summary"  # marker of the table over all studies
Lines = Sequence[Sequence[str]]
"""Of a table; the first is the header."""


def path_of(options: argparse.Namespace) -> epath.Path:
    """The file of the tables: other results do not get into those of `results/`."""
    if options.report:
        return epath.Path(options.report)
    own = epath.Path("" if options.results == "results" else options.results)
    return own / REPORT


class Output(NamedTuple):
    """Where a study writes: its name, the folder of its results, its report."""

    study: str
    folder: epath.Path
    report: epath.Path

    def write(self, tables: Mapping[str, str], summary: str = "") -> None:
        """Writes tables by their names, and the summary unless it is empty."""
        marked = {SUMMARY: summary} if summary else {}
        marked |= {f"{self.study}/{name}": text for name, text in tables.items()}
        more = self.folder.parent / MORE
        with locks.turn(self.report.parent):
            content = more.read_text() if more.exists() else ""
            beside = {name for name in marked if f"<!-- {name} -->" in content}
            for path, names in (more, beside), (self.report, marked.keys() - beside):
                if names:
                    chosen = {name: marked[name] for name in marked if name in names}
                    files.write_whole(path, _insert_all(path, chosen))

    def write_measured(
        self,
        name: str,
        measure: Callable[[], Iterable[list[str]]] | None,
        shown: Callable[[Lines], Lines] = lambda lines: lines,
    ) -> None:
        """Measures a table into NAME.csv; writes and prints the lines to be shown.

        Without `measure` it is the table that NAME.csv has.
        """
        path = self.folder / f"{name}.csv"
        if measure:
            header, *lines = measure()
            path.write_bytes(page.as_csv(page.Numbers(header, lines)))
        elif not path.exists():
            raise UsageError(f"{path}: no results are there yet")
        kept = shown(list(csv.reader(io.StringIO(path.read_text()))))
        text = markdown.table(kept[0], kept[1:])
        self.write({name: text})
        print(text)


def prepare(options: argparse.Namespace, study: str, tables: Iterable[str]) -> Output:
    """Raises UsageError, before hours of training, if the output cannot be written.

    The folder of the results is made; for --tables it must be there.
    """
    folder = epath.Path(options.results) / study
    if not options.tables:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--results={options.results}: {error}") from error
        if not (files.is_remote(folder) or os.access(folder, os.W_OK)):
            raise UsageError(f"--results={options.results}: it cannot be written to")
    elif not folder.exists():
        raise UsageError(f"{folder}: no results are there yet")
    markers = [SUMMARY, *(f"{study}/{name}" for name in tables)]
    check(folder.parent / MORE, markers)
    path = check(path_of(options), markers)
    return Output(study, folder, path)


def check(path: epath.Path, markers: Iterable[str] = ()) -> epath.Path:
    """The file to write, behind any links; there or not.

    Raises:
        UsageError: it is no file of text, its folder does not exist or cannot be
            written to, or one of the markers is there twice or without its end.
    """
    found = path
    if not files.is_remote(path):
        # epath's own resolve() keeps links, and its is_file() is true of a device.
        found = epath.Path(os.path.realpath(path))
        if found.exists() and not os.path.isfile(found):
            raise UsageError(f"--report={path}: not a file")
        if not os.path.isdir(found.parent):
            raise UsageError(f"--report={path}: its folder does not exist")
        if not os.access(found.parent, os.W_OK):
            raise UsageError(f"--report={path}: its folder cannot be written to")
    _insert_all(found, dict.fromkeys(markers, ""))
    return found


def _insert_all(path: epath.Path, tables: Mapping[str, str]) -> str:
    try:
        text = path.read_text() if path.exists() else ""
        for marker, table in tables.items():
            text = insert(text, marker, table)
    except (UnicodeDecodeError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
    return text


def insert(text: str, marker: str, table: str) -> str:
    """The text with a table between the marker and its end.

    Raises UsageError if the end is missing (what follows would be lost) or the marker
    is there twice (one of the tables would be out of date).
    """
    start = f"<!-- {marker} -->"
    block = f"{start}\n{table}{END}"
    before, found, rest = text.partition(start)
    if not found:
        blocks = (block, text) if marker == SUMMARY else (text.rstrip(), block)
        return "\n\n".join(blocks).strip() + "\n"
    inside, ended, after = rest.partition(END)
    if not ended or "<!--" in inside:
        raise UsageError(f"it lacks the {END} of {start}")
    if start in after:
        raise UsageError(f"it has {start} twice; delete one of the two tables")
    return before + block + after
