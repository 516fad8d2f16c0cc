"""The structure of AVI files: whole ones pass, each loss is described."""

import struct

import pytest
from etils import epath
from reference import videos

from stpn_jax.video import riff


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("riff") / "a.avi"
    return videos.write(path, videos.frames(6)).read_bytes()


@pytest.fixture
def find(tmp_path):
    def find(content):
        path = epath.Path(tmp_path / "b.avi")
        path.write_bytes(content)
        return riff.find_damage(path)

    return find


def test_a_whole_file_passes(data, find):
    assert find(data) == ""


def test_bytes_after_the_end_pass(data, find):
    assert find(data + b"\0" * 1000) == ""


@pytest.mark.parametrize("other", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"\0" * 99])
def test_other_files_pass(other, find):
    assert find(other) == ""


def test_a_cut_file_is_reported_with_its_bytes(data, find):
    assert f"{len(data) - 9} of {len(data)} bytes" in find(data[:-9])


def test_a_lost_chunk_header(data, find):
    start = data.index(b"00dc", data.index(b"movi") + 12)
    damaged = data[:start] + b"\0\0\0\0" + data[start + 4 :]
    assert f"at byte {start}" in find(damaged)


def test_a_size_that_leads_elsewhere(data, find):
    start = data.index(b"00dc", data.index(b"movi")) + 4
    (size,) = struct.unpack_from("<I", data, start)
    damaged = data[:start] + struct.pack("<I", size + 2) + data[start + 4 :]
    assert find(damaged)


def test_no_list_of_frames(data, find):
    assert "missing" in find(data.replace(b"movi", b"lost"))


def test_real_clips_pass(real_clips):
    paths = sorted(real_clips.rglob("*.avi"))[::10]
    for path in paths:
        assert riff.find_damage(epath.Path(path)) == "", path
