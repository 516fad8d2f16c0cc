"""Folders, globs and paths become the videos that they stand for."""

import pytest

from stpn_jax.video import discovery


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (
        *("b.avi", "a.MP4", "notes.txt", "in/c.webm", "in/[x].avi", "é.mkv"),
        *(".hidden.avi", ".trash/d.avi"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "videos", "empty"),
    [
        (["."], ["./a.MP4", "./b.avi", "./é.mkv", "./in/[x].avi", "./in/c.webm"], []),
        (["*.avi", "b.avi"], ["b.avi"], []),
        (["in/[x].avi"], ["in/[x].avi"], []),
        (["**/*.webm"], ["in/c.webm"], []),
        (["notes.txt", "missing.avi"], ["notes.txt", "missing.avi"], []),
        (["i*"], ["in/[x].avi", "in/c.webm"], []),
        (["*.mov", "b.avi"], ["b.avi"], ["*.mov"]),
        (["["], [], ["["]),
        (["http://127.0.0.1/a.mp4"], ["http://127.0.0.1/a.mp4"], []),
    ],
)
def test_what_is_meant(folder, given, videos, empty):
    found, nothing = discovery.find_videos(given)
    assert (sorted(found), nothing) == (sorted(videos), empty)
