"""Paths and arrays become videos, and frames of one size."""

import numpy as np
import pytest
from reference import toy, videos

from stpn_jax.inference import video_sources
from stpn_jax.video import decoding


def read(given, limit=1e9, **options):
    return list(
        video_sources.read(video_sources.open_source(given, **options), (48, 40), limit)
    )


def test_a_file_and_its_frames_are_the_same(tmp_path):
    path = toy.write_clip(tmp_path / "a.mp4")
    frames = videos.decode(path)
    for one, other in zip(read(path), read(frames), strict=True):
        np.testing.assert_array_equal(one, other)
    assert read(tmp_path / "a.mp4")[0].shape == (40, 48, 3)


def test_rate_and_length_are_the_headers(tmp_path):
    found = video_sources.open_source(
        toy.write_clip(tmp_path / "a.mp4", rate=10, count=20)
    )
    next(iter(found))
    assert video_sources.rate(found) == 10 and found.seconds == 2


@pytest.mark.parametrize("said", [0.0, 1e6, float("nan"), 0.01])
def test_an_implausible_rate_is_ignored(said):
    found = video_sources.Frames(np.zeros((3, 4, 4, 3), np.uint8), said)
    assert video_sources.rate(found) == 25


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "found NoneType"),
        (7, "found int"),
        ("http://127.0.0.1/a.mp4", "http:// is not supported"),
        ("a\0b.mp4", "no such file|null"),
        ("x" * 5000, "no such file|too long"),
        (np.zeros((3, 4, 4)), "found float64 3x4x4"),
        (np.zeros((3, 4, 4, 3), np.float32), "found float32 3x4x4x3"),
        (np.zeros((3, 4, 4, 4), np.uint8), "found uint8 3x4x4x4"),
        (np.zeros((0, 4, 4, 3), np.uint8), "one frame and pixel or more"),
        (np.zeros((3, 0, 4, 3), np.uint8), "one frame and pixel or more"),
        (np.array(None), "found object"),
    ],
)
def test_what_is_no_video_is_reported(given, message):
    with pytest.raises(decoding.VideoError, match=message):
        read(given)


def test_a_longer_one_is_rejected_by_its_header_and_its_frames(tmp_path):
    path = toy.write_clip(tmp_path / "a.mp4", count=30)
    with pytest.raises(
        decoding.VideoError, match="too long: 1 s, where 1 s are allowed"
    ):
        read(path, limit=0.99)
    taken = []
    with pytest.raises(decoding.VideoError, match="more than 25 frames"):
        found = video_sources.open_source(path)
        found.__class__ = Endless
        for frame in video_sources.read(found, (8, 8), 1.0):
            taken.append(frame)
    assert len(taken) == 25


class Endless(decoding.Video):
    def __iter__(self):
        while True:
            yield np.zeros((4, 4, 3), np.uint8)
