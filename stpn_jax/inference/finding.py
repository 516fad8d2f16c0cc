"""The videos that somebody names: files, folders and globs."""

import glob
import os
from collections.abc import Iterator, Sequence

from etils import epath

from stpn_jax.video import decoding


def find(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The videos, and the folders and globs that hold none.

    Args:
        given: a folder stands for the videos below it, told by their endings; a glob
            that is no file for what it matches; all else for itself, there or not.

    Returns:
        Paths in the order they were given, each once; and what stands for nothing.
    """
    found = {one: list(_expand(one)) for one in given}
    videos = dict.fromkeys(path for paths in found.values() for path in paths)
    return list(videos), [one for one, paths in found.items() if not paths]


def _expand(one: str) -> Iterator[str]:
    if "://" in one:
        yield from _remote(one)
    elif os.path.isdir(one):
        yield from _below(one)
    elif glob.has_magic(one) and not os.path.exists(one):
        matches = sorted(glob.glob(one, recursive=True), reverse=True)
        # By links that lead back, ** matches a file many times.
        distinct = {os.path.realpath(path): path for path in matches}
        for path in sorted(distinct.values()):
            yield from _below(path) if os.path.isdir(path) else [path]
    else:
        yield one


def _below(folder: str) -> Iterator[str]:
    """The videos below a folder; links to folders may lead back, so none is taken."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (
            os.path.join(parent, name) for name in sorted(names) if _is_video(name)
        )


def _remote(address: str) -> list[str]:
    """The videos below a remote folder, or the address itself."""
    try:
        return list(_below_remote(epath.Path(address)))
    # What nobody can look into is told with the reason when it is opened.
    except Exception:
        return [address]


def _below_remote(path: epath.Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
        return
    for inner in sorted(path.iterdir()):
        if inner.is_dir() or _is_video(inner.name):
            yield from _below_remote(inner)


def _is_video(name: str) -> bool:
    return name.lower().endswith(decoding.ENDINGS)
