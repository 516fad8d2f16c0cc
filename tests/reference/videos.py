"""Small video files for the tests, written with PyAV."""

import pathlib

import av
import numpy as np


def frames(count: int, size: tuple[int, int] = (64, 48), shift: int = 2) -> np.ndarray:
    """Noise that moves to the right by `shift` pixels a frame, [t y x 3]."""
    width, height = size
    rng = np.random.default_rng(count)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 8, 3), np.uint8)
    wide = coarse.repeat(4, 0).repeat(4, 1)[:height]
    starts = [(count - 1 - i) * shift % 24 for i in range(count)]
    return np.stack([wide[:, start : start + width] for start in starts])


def write(
    path: pathlib.Path,
    pixels: np.ndarray,
    codec: str = "mpeg4",
    metadata: dict[str, str] | None = None,
    rotation: int = 0,
) -> pathlib.Path:
    """Writes frames [t y x 3] as a video file; the ending chooses the container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        stream.bit_rate = 2_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        for image in pixels:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
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
