"""Video discovery: the videos in a folder, recognised by the endings of their names."""

import glob
import os
from collections.abc import Iterator, Sequence
from typing import Literal

from etils import epath

from stpn_jax.utils import files

ENDINGS = (
    *(".3gp", ".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov"),
    *(".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"),
)
"""Endings of names of video files."""

Kind = Literal["video", "folder", "other"]


def list_folder(folder: epath.PathLike) -> list[tuple[epath.Path, Kind]]:
    """What lies in a folder, sorted, with its kind; hidden entries are skipped."""
    entries = sorted(epath.Path(folder).iterdir())
    return [(path, _kind(path)) for path in entries if not path.name.startswith(".")]


def _kind(path: epath.Path) -> Kind:
    if path.is_dir():
        return "folder"
    return "video" if path.suffix.lower() in ENDINGS else "other"


def find_videos(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The videos in the order given, each once; and the folders and globs without any.

    A folder stands for the videos below it; a glob that is no file for its matches; all
    else for itself, there or not.
    """
    found = {one: list(_expand(one)) for one in given}
    videos = dict.fromkeys(path for paths in found.values() for path in paths)
    return list(videos), [one for one, paths in found.items() if not paths]


def _expand(one: str) -> Iterator[str]:
    if files.is_remote(one):
        try:
            yield from list(_below(one)) if epath.Path(one).is_dir() else [one]
        except Exception:  # Opening it later fails with the reason.
            yield one
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
    """The videos below a folder; links to folders are skipped: they may lead back."""
    try:
        entries = list_folder(folder)
    except PermissionError:
        return
    places = [(os.path.join(folder, path.name), kind) for path, kind in entries]
    yield from (place for place, kind in places if kind == "video")
    for place, kind in places:
        if kind == "folder" and not os.path.islink(place):
            yield from _below(place)
