"""Small video files for the tests, written with PyAV."""

import fractions
import pathlib

import av
import numpy as np

from stpn_jax.video import decoding, imaging


def frames(count: int, size: tuple[int, int] = (64, 48), shift: int = 2) -> np.ndarray:
    """Noise that moves to the right by `shift` pixels a frame, [t y x 3]."""
    width, height = size
    rng = np.random.default_rng(count)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 8, 3), np.uint8)
    wide = coarse.repeat(4, 0).repeat(4, 1)[:height]
    starts = [(count - 1 - i) * shift % 24 for i in range(count)]
    return np.stack([wide[:, start : start + width] for start in starts])


def decode(path: pathlib.Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """All frames of a video, in this width and height or those of the first frame."""
    video = decoding.Video(path)
    return np.stack([imaging.resize(frame, size or video.size) for frame in video])


def write(
    path: pathlib.Path,
    pixels: np.ndarray,
    codec: str = "mpeg4",
    metadata: dict[str, str] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pix_fmt: str = "",
    times: list[int] | None = None,
    aspect: fractions.Fraction | None = None,
) -> pathlib.Path:
    """Writes frames [t y x 3] as a video file; the ending chooses the container.

    Args:
        path: of the file.
        pixels: the frames.
        codec: FFmpeg's name.
        metadata: of the container.
        rotation: of the display matrix, in degrees.
        mirrored: whether the display matrix turns left and right round.
        pix_fmt: FFmpeg's name; by default what the codec is used with.
        times: of each frame, in 25ths of a second; by default one after the other.
        aspect: of a pixel.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = pix_fmt or ("bgr0" if codec == "ffv1" else "yuv420p")
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        stream.bit_rate = 2_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        if mirrored:
            stream.set_display_matrix([-1, 0, 0, 0, 1, 0, 0, 0, 1])
        for number, image in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], fractions.Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_audio(path: pathlib.Path) -> pathlib.Path:
    """A file with a sound stream and no video stream."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = np.zeros((1, 800), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def truncate(path: pathlib.Path, fraction: float) -> pathlib.Path:
    """Cuts the end of a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path
