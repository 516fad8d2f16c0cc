"""Decoding: exact where the codec is, tolerant where the file is not."""

import fractions
import os
import struct

import av
import cv2
import numpy as np
import pytest
from reference import videos

from stpn_jax.video import decoding


def test_lossless_frames_come_back_exactly(tmp_path):
    pixels = videos.frames(5)
    path = videos.write(tmp_path / "a.mkv", pixels, codec="ffv1")
    np.testing.assert_array_equal(videos.decode(path), pixels)


def test_all_frames_of_a_lossy_clip_in_order(tmp_path):
    pixels = videos.frames(9)
    decoded = videos.decode(videos.write(tmp_path / "a.avi", pixels))
    assert decoded.shape == pixels.shape
    error = np.abs(decoded[:, None].astype(int) - pixels[None]).mean((2, 3, 4))
    assert list(error.argmin(1)) == list(range(9))


@pytest.mark.parametrize("size", [(65, 49), (171, 129), (64, 47)])
def test_odd_sizes(tmp_path, size):
    pixels = videos.frames(2, size)
    decoded = videos.decode(videos.write(tmp_path / "a.mkv", pixels, codec="ffv1"))
    np.testing.assert_array_equal(decoded, pixels)


def test_resize_is_to_width_and_height(tmp_path):
    path = videos.write(tmp_path / "a.avi", videos.frames(2))
    assert videos.decode(path, (34, 26)).shape == (2, 26, 34, 3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotation_tag_turns_the_frames_upright(tmp_path, turns):
    pixels = videos.frames(2)
    angle = {1: 90, 2: 180, 3: -90}[turns]
    path = videos.write(tmp_path / "a.mov", pixels, codec="mpeg4", rotation=angle)
    source = decoding.Video(path)
    frame = next(iter(source))
    expected = np.rot90(pixels[0], turns)
    assert frame.shape == expected.shape
    assert source.size == expected.shape[1::-1]
    assert np.abs(frame.astype(int) - expected).mean() < 20


def test_a_mirrored_display_matrix_is_undone(tmp_path):
    pixels = videos.frames(2)
    path = videos.write(
        tmp_path / "a.mov", pixels, "png", mirrored=True, pix_fmt="rgb24"
    )
    np.testing.assert_array_equal(videos.decode(path), pixels[:, :, ::-1])


@pytest.mark.parametrize("times", [[0, 1, 2, 3, 4], [0, 1, 9, 10, 40]])
def test_variable_frame_rate_gives_each_frame_once(tmp_path, times):
    pixels = videos.frames(5)
    path = videos.write(tmp_path / "a.mkv", pixels, codec="ffv1", times=times)
    np.testing.assert_array_equal(videos.decode(path), pixels)


def test_pixels_that_are_not_square_are_resized_as_they_are_stored(tmp_path):
    """As the data sets' authors do: the network's input is not square either."""
    pixels, aspect = videos.frames(2), fractions.Fraction(16, 11)
    path = videos.write(tmp_path / "a.mkv", pixels, codec="ffv1", aspect=aspect)
    source = decoding.Video(path)
    np.testing.assert_array_equal(np.stack(list(source)), pixels)
    assert source.size == (64, 48)


@pytest.mark.parametrize(
    ("pix_fmt", "tolerance"),
    [("gray", 1), ("gray10le", 1), ("yuv420p10le", 3), ("yuv444p10le", 3)],
)
def test_grey_and_ten_bits(tmp_path, pix_fmt, tolerance):
    shade = np.linspace(30, 220, 64).astype(np.uint8)
    pixels = np.broadcast_to(shade[None, None, :, None], (3, 48, 64, 3)).copy()
    path = videos.write(tmp_path / "a.mkv", pixels, codec="ffv1", pix_fmt=pix_fmt)
    assert np.abs(videos.decode(path).astype(int) - pixels).max() <= tolerance


def test_full_range(tmp_path):
    shade = np.linspace(0, 255, 64).astype(np.uint8)
    pixels = np.broadcast_to(shade[None, None, :, None], (2, 48, 64, 3)).copy()
    path = videos.write(tmp_path / "a.mkv", pixels, "mjpeg", pix_fmt="yuvj420p")
    assert np.abs(videos.decode(path).astype(int) - pixels).mean() < 3


def test_frames_that_refer_to_later_ones_come_in_order(tmp_path):
    pixels = videos.frames(12, shift=3)
    decoded = videos.decode(videos.write(tmp_path / "a.mp4", pixels, "libx264"))
    error = np.abs(decoded[:, None].astype(int) - pixels[None]).mean((2, 3, 4))
    # The pattern repeats every eight frames.
    assert [int(i) % 8 for i in error.argmin(1)] == [i % 8 for i in range(12)]


def test_a_gif_is_played_once(tmp_path):
    path = videos.write(tmp_path / "a.gif", videos.frames(4), "gif", pix_fmt="rgb8")
    assert len(videos.decode(path)) == 4


def test_sound_before_the_picture(tmp_path):
    path, pixels = tmp_path / "a.mkv", videos.frames(3)
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        picture = container.add_stream("ffv1", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "bgr0"
        silence = np.zeros((1, 800), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(sound.encode(frame))
        for image in pixels:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(picture.encode(frame))
    np.testing.assert_array_equal(videos.decode(path), pixels)


def test_a_size_that_changes_is_reported(tmp_path):
    parts = [
        videos.write(tmp_path / f"{size[0]}.h264", videos.frames(3, size), "libx264")
        for size in [(64, 48), (96, 80)]
    ]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    source = decoding.Video(path)
    frames = list(source)
    assert [frame.shape[:2] for frame in frames] == [(48, 64)] * 3 + [(80, 96)] * 3
    assert "64x48, 96x80" in source.warnings[-1]


def test_a_loss_in_the_middle_is_reported(tmp_path):
    """The decoder conceals it: as many frames come as went in."""
    path = videos.write(tmp_path / "a.avi", videos.frames(20))
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + bytes(200) + data[half + 200 :])
    source = decoding.Video(path)
    assert list(source)
    assert "damaged" in source.warnings[0]


def test_messages_are_of_the_clip_that_was_read(tmp_path):
    good = videos.write(tmp_path / "good.avi", videos.frames(20))
    bad = videos.write(tmp_path / "bad.avi", videos.frames(20))
    data = bytearray(bad.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    bad.write_bytes(data)
    sources = decoding.Video(good), decoding.Video(bad)
    for _ in zip(*sources, strict=False):
        pass
    assert not sources[0].warnings


def test_a_tag_that_is_not_utf8_does_no_harm(tmp_path):
    path = videos.write(
        tmp_path / "a.avi", videos.frames(3), metadata={"title": "Kxxn"}
    )
    data = path.read_bytes()
    assert b"Kxxn" in data
    path.write_bytes(data.replace(b"Kxxn", b"K\xf6\xfen"))
    source = decoding.Video(path)
    assert len(list(source)) == 3
    assert not source.warnings


def test_a_truncated_clip_is_read_with_a_warning(tmp_path):
    path = videos.write(tmp_path / "a.avi", videos.frames(20))
    source = decoding.Video(videos.truncate(path, 0.6))
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


def _folder(path):
    path.mkdir()
    return path


def _pipe(path):
    os.mkfifo(path)
    return path


def _jpeg(path):
    _, data = cv2.imencode(".jpg", videos.frames(1)[0])
    path.write_bytes(data.tobytes())
    return path


def _playlist(path):
    """It would make FFmpeg read another file."""
    part = videos.write(path.with_suffix(".ts"), videos.frames(2), "mpeg2video")
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", part.name]
    path = path.with_suffix(".m3u8")
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return path


def _enormous(path):
    videos.write(path, videos.frames(2), "ffv1")
    data = path.read_bytes()
    size = struct.pack("<ii", 64, 48)
    assert size in data
    path.write_bytes(data.replace(size, struct.pack("<ii", 60000, 60000)))
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
        (_folder, "no regular file"),
        (_pipe, "no regular file"),
        (_jpeg, "no video in it but jpeg_pipe"),
        (_playlist, "no video in it but hls"),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path, make, reason):
    path = make(tmp_path / "bad.avi")
    with pytest.raises(decoding.VideoError, match=reason):
        videos.decode(path)
    assert decoding.declared_frames(path) == 0


def test_an_enormous_frame_is_not_decoded(tmp_path):
    with pytest.raises(decoding.VideoError, match="no frame of it can be decoded"):
        videos.decode(_enormous(tmp_path / "bad.avi"))


def test_declared_frames(tmp_path):
    path = videos.write(tmp_path / "a.mp4", videos.frames(7))
    assert decoding.declared_frames(path) == 7


def test_real_clips_with_odd_metadata(real_clips):
    paths = sorted((real_clips / "full_length").iterdir())
    for path in paths:
        assert len(list(zip(range(3), decoding.Video(path), strict=False))) == 3
