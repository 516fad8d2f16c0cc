"""RESULTS.md: text by hand, tables between markers, written from the answers.

A table stands between `<!-- PART/COMPARISON -->` and `<!-- end -->`; all else in the
file is left as it is. Markers that a file lacks are added at its end.
"""

import os

from etils import epath

from stpn_jax import files
from stpn_jax.errors import UsageError
from stpn_jax.study import book, tables
from stpn_jax.study.parts import Part

END = "<!-- end -->"


def update(path: epath.Path, name: str, part: Part, folder: epath.Path) -> str:
    """Writes the tables of a part into a file; returns them.

    Args:
        path: of the file, made if absent.
        name: of the part.
        part: whose tables they are.
        folder: of its answers.
    """
    text = _read(path)
    told = []
    for comparison, compared in part.comparisons.items():
        found = book.Book(folder).answers(comparison)
        if found is None:
            continue
        table = tables.markdown(compared, found)
        text = put(text, f"{name}/{comparison}", table)
        told.append(f"{compared.table.title}\n\n{table}")
    if not told:
        raise UsageError(f"{folder}: no answers are there yet")
    files.write_whole(path, text)
    return "\n".join(told)


def check(path: epath.Path) -> epath.Path:
    """The file to write, behind any links.

    Raises:
        UsageError: it is no file, or its folder does not exist.
    """
    if files.is_remote(path):
        return path
    # epath's own resolve() keeps links, and its is_file() is true of a device.
    found = epath.Path(os.path.realpath(path))
    if found.exists() and not os.path.isfile(found):
        raise UsageError(f"--report={path}: not a file")
    if not found.parent.is_dir():
        raise UsageError(f"--report={path}: its folder does not exist")
    return found


def write(path: epath.Path, marker: str, content: str) -> None:
    """Writes one table into a file, which is made if absent."""
    text = _read(path)
    files.write_whole(path, put(text, marker, content))


def _read(path: epath.Path) -> str:
    try:
        return path.read_text() if path.exists() else ""
    except UnicodeDecodeError as error:
        raise UsageError(f"--report={path}: not a text file in UTF-8") from error


def put(text: str, marker: str, content: str) -> str:
    """The text with this between the marker and its end.

    Raises:
        UsageError: the marker's end is missing: what follows would be lost.
    """
    start = f"<!-- {marker} -->"
    block = f"{start}\n{content}{END}"
    before, found, rest = text.partition(start)
    if not found:
        return f"{text.rstrip()}\n\n{block}\n".lstrip()
    inside, ended, after = rest.partition(END)
    if not ended or "<!--" in inside:
        raise UsageError(f"the tables' file lacks the {END} of {start}")
    return before + block + after
