"""What other people's programs write: folders of frames and of flow as images."""

import itertools
import pathlib
from typing import NamedTuple

import cv2
import numpy as np

SIZE = (64, 48)
BOUND = 20.0


class Clip(NamedTuple):
    """n frames [t y x 3], RGB, and the codes of n - 1 flows [t y x 2]."""

    frames: np.ndarray
    codes: np.ndarray


class Layout(NamedTuple):
    """How a program names its files.

    Attributes:
        first: number of the first frame.
        digits: of a number.
        frame, x, y: what comes before a number; a '/' makes a folder of it.
        extra: where a flow too much stands: "" for none, first or last.
        first_flow: number of the first flow, where it is not that of the first frame.
        ending: of a file.
    """

    first: int = 1
    digits: int = 5
    frame: str = "img_"
    x: str = "flow_x_"
    y: str = "flow_y_"
    extra: str = ""
    first_flow: int | None = None
    ending: str = ".jpg"


DENSEFLOW = Layout(first=0)
DENSE_FLOW = Layout(extra="first")
MMACTION = Layout()
PADDED = Layout(extra="last")
FOLDERS = Layout(frame="", x="flow_x/", y="flow_y/", digits=6)
MIXED = Layout(first=0, first_flow=1, frame="image_", x="x_", y="y_")


def clip(count: int = 9, seed: int = 0, size: tuple[int, int] = SIZE) -> Clip:
    """A smooth texture that moves as a whole, each time by another displacement."""
    rng = np.random.default_rng(seed)
    width, height = size
    moves = rng.uniform(1.5, 4, (count - 1, 2)) * rng.choice([-1, 1], (count - 1, 2))
    noise = rng.uniform(size=(height + 80, width + 80)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    texture = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    places = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    frames = [
        cv2.warpAffine(
            texture,
            np.array([[1, 0, x - 40], [0, 1, y - 40]], np.float32),
            size,
            borderMode=cv2.BORDER_REFLECT,
        )
        for x, y in places
    ]
    codes = np.rint(255 * (moves + BOUND) / (2 * BOUND)).astype(np.uint8)
    pixels = np.rint(np.stack(frames)).astype(np.uint8)
    return Clip(
        np.repeat(pixels[..., None], 3, -1),
        np.broadcast_to(codes[:, None, None], (count - 1, height, width, 2)),
    )


def write_frames(folder: pathlib.Path, made: Clip, layout: Layout = MMACTION) -> None:
    for number, frame in enumerate(made.frames, layout.first):
        _write(folder, layout.frame, number, frame[..., ::-1], layout)


def write_flow(folders: tuple, made: Clip, layout: Layout = MMACTION) -> None:
    """Writes x into the first and y into the second folder."""
    rest = np.full((1, *made.codes.shape[1:]), 128, np.uint8)
    parts = {"": [made.codes], "first": [rest, made.codes], "last": [made.codes, rest]}
    first = layout.first if layout.first_flow is None else layout.first_flow
    for number, code in enumerate(itertools.chain(*parts[layout.extra]), first):
        for axis, (folder, name) in enumerate(
            zip(folders, (layout.x, layout.y), strict=True)
        ):
            _write(folder, name, number, code[..., axis], layout)


def write(folder: pathlib.Path, made: Clip, layout: Layout = MMACTION) -> None:
    """All of a clip into one folder."""
    write_frames(folder, made, layout)
    write_flow((folder, folder), made, layout)


def _write(
    folder: pathlib.Path, name: str, number: int, image: np.ndarray, layout: Layout
) -> None:
    path = folder / f"{name}{number:0{layout.digits}d}{layout.ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(image))
