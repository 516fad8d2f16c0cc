"""The structure of AVI files: whole ones pass, each loss is named."""

import io
import struct

import pytest
from reference import videos

from stpn_jax.video import riff


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("riff") / "a.avi"
    return videos.write(path, videos.frames(6)).read_bytes()


def _complaint(data):
    return riff.complaint(io.BytesIO(data))


def test_a_whole_file_passes(data):
    assert _complaint(data) == ""


def test_bytes_after_the_end_pass(data):
    assert _complaint(data + b"\0" * 1000) == ""


@pytest.mark.parametrize("other", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"\0" * 99])
def test_other_files_pass(other):
    assert _complaint(other) == ""


def test_a_cut_file_is_told_with_its_bytes(data):
    assert f"{len(data) - 9} of {len(data)} bytes" in _complaint(data[:-9])


def test_a_lost_chunk_header(data):
    start = data.index(b"00dc", data.index(b"movi") + 12)
    damaged = data[:start] + b"\0\0\0\0" + data[start + 4 :]
    assert f"at byte {start}" in _complaint(damaged)


def test_a_size_that_leads_elsewhere(data):
    start = data.index(b"00dc", data.index(b"movi")) + 4
    (size,) = struct.unpack_from("<I", data, start)
    damaged = data[:start] + struct.pack("<I", size + 2) + data[start + 4 :]
    assert _complaint(damaged)


def test_an_index_of_other_chunks(data):
    index = data.index(b"idx1") + 8
    damaged = data[:index] + data[index + 16 : index + 32] + data[index + 16 :]
    assert "differ" in _complaint(damaged)


def test_a_frame_cut_out_with_sizes_mended(data):
    """What an editor of bytes would do; only the index still knows."""
    movi = data.index(b"movi")
    first = data.index(b"00dc", movi)
    (size,) = struct.unpack_from("<I", data, first + 4)
    gone = 8 + size + size % 2
    mended = bytearray(data[:first] + data[first + gone :])
    for place in (4, movi - 4):
        (old,) = struct.unpack_from("<I", mended, place)
        struct.pack_into("<I", mended, place, old - gone)
    assert "5 of the 6 chunks" in _complaint(bytes(mended))


def test_no_list_of_frames(data):
    assert "missing" in _complaint(data.replace(b"movi", b"lost"))


def test_real_clips_pass(real_clips):
    paths = sorted(real_clips.rglob("*.avi"))[::10]
    for path in paths:
        with path.open("rb") as file:
            assert riff.complaint(file) == "", path
