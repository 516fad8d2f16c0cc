"""Records that are made when read: each image is grey with a ramp of its own."""

import cv2
import numpy as np

from stpn_jax.records import records

SIZE = (40, 32)
FRAMES = 20
META = records.Meta(
    dataset="folder",
    classes=("one", "two", "three"),
    groups={},
    size=SIZE,
    bound=20.0,
    splits=1,
    flow={},
    jpeg_quality=95,
    version="1",
)


class Dataset(records.Dataset):
    """So many videos of three classes in turn."""

    def __init__(self, count: int):
        fields = {
            "meta": META,
            "names": tuple(f"clip{i}" for i in range(count)),
            "labels": (np.arange(count) % 3).astype(np.int32),
            "num_frames": np.full(count, FRAMES, np.int32),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def digest_of(self, videos):
        return str(videos.tolist())

    def frames(self, video, positions):
        return [_image(video, p, channels=3) for p in positions]

    def flows(self, video, positions):
        return tuple(
            [_image(video, p + 7 * axis, channels=1) for p in positions]
            for axis in (1, 2)
        )


def _image(video: int, position: int, channels: int) -> bytes:
    rng = np.random.default_rng([video, position, channels])
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    ramp = rng.integers(40, 200) + rng.uniform(-2, 2) * rows + rng.uniform(-2, 2)
    pixels = np.clip(ramp + rng.uniform(-1, 1) * columns, 0, 255).astype(np.uint8)
    return cv2.imencode(".png", np.stack([pixels] * channels, -1))[1].tobytes()
