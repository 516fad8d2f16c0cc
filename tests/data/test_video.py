"""Decoding: exact where the codec is, tolerant where the file is not."""

import numpy as np
import pytest
from reference import videos

from stpn_jax.data import video


def test_lossless_frames_come_back_exactly(tmp_path):
    pixels = videos.frames(5)
    path = videos.write(tmp_path / "a.mkv", pixels, codec="ffv1")
    np.testing.assert_array_equal(video.decode(path), pixels)


def test_all_frames_of_a_lossy_clip_in_order(tmp_path):
    pixels = videos.frames(9)
    decoded = video.decode(videos.write(tmp_path / "a.avi", pixels))
    assert decoded.shape == pixels.shape
    error = np.abs(decoded[:, None].astype(int) - pixels[None]).mean((2, 3, 4))
    assert list(error.argmin(1)) == list(range(9))


@pytest.mark.parametrize("size", [(65, 49), (171, 129), (64, 47)])
def test_odd_sizes(tmp_path, size):
    pixels = videos.frames(2, size)
    decoded = video.decode(videos.write(tmp_path / "a.mkv", pixels, codec="ffv1"))
    np.testing.assert_array_equal(decoded, pixels)


def test_resize_is_to_width_and_height(tmp_path):
    path = videos.write(tmp_path / "a.avi", videos.frames(2))
    assert video.decode(path, (34, 26)).shape == (2, 26, 34, 3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotation_tag_turns_the_frames_upright(tmp_path, turns):
    pixels = videos.frames(2)
    angle = {1: 90, 2: 180, 3: -90}[turns]
    path = videos.write(tmp_path / "a.mov", pixels, codec="mpeg4", rotation=angle)
    source = video.Video(path)
    frame = next(iter(source))
    expected = np.rot90(pixels[0], turns)
    assert frame.shape == expected.shape
    assert source.size == expected.shape[1::-1]
    assert np.abs(frame.astype(int) - expected).mean() < 20


def test_a_tag_that_is_not_utf8_does_no_harm(tmp_path):
    path = videos.write(
        tmp_path / "a.avi", videos.frames(3), metadata={"title": "Kxxn"}
    )
    data = path.read_bytes()
    assert b"Kxxn" in data
    path.write_bytes(data.replace(b"Kxxn", b"K\xf6\xfen"))
    source = video.Video(path)
    assert len(list(source)) == 3
    assert not source.warnings


def test_a_truncated_clip_is_read_with_a_warning(tmp_path):
    path = videos.write(tmp_path / "a.avi", videos.frames(20))
    source = video.Video(videos.truncate(path, 0.6))
    count = len(list(source))
    assert 2 < count < 20
    assert "cut off" in source.warnings[0]
    assert f"{count} frames" in source.warnings[0]


def _no_file(path):
    return path


def _empty(path):
    path.write_bytes(b"")
    return path


def _text(path):
    path.write_text("this is no video\n" * 50)
    return path


def _without_index(path):
    return videos.truncate(
        videos.write(path.with_suffix(".mp4"), videos.frames(9)), 0.5
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_no_file, "no such file"),
        (_empty, "0 bytes"),
        (_text, "no video"),
        (_without_index, "no video"),
        (lambda path: videos.write_audio(path.with_suffix(".mkv")), "no video stream"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path, make, reason):
    path = make(tmp_path / "bad.avi")
    with pytest.raises(video.VideoError, match=reason):
        video.decode(path)
    assert video.declared_frames(path) == 0


def test_declared_frames(tmp_path):
    path = videos.write(tmp_path / "a.mp4", videos.frames(7))
    assert video.declared_frames(path) == 7


def test_real_clips_with_odd_metadata(real_clips):
    paths = sorted((real_clips / "full_length").iterdir())
    for path in paths:
        assert len(list(zip(range(3), video.Video(path), strict=False))) == 3
