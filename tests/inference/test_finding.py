"""Files, folders and globs become paths of videos."""

import pytest

from stpn_jax.inference import video_sources


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.avi", "a.MP4", "notes.txt", "in/c.webm", "in/[x].avi", "é.mkv"):
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
    found, nothing = video_sources.find_videos(given)
    assert (sorted(found), nothing) == (sorted(videos), empty)
