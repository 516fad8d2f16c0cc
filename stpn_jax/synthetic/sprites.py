"""Sprites that move over clutter, drawn as YCbCr planes.

YCbCr is the colour space of the video file: colours drawn in it differ in chroma alone,
and sprites of all colours have the same luma.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Direction = tuple[float, float]
"""(y, x), of length one or zero."""

UP: Direction = (-1.0, 0.0)
DOWN: Direction = (1.0, 0.0)
LEFT: Direction = (0.0, -1.0)
RIGHT: Direction = (0.0, 1.0)
STILL: Direction = (0.0, 0.0)

HUES = {"red": 110.0, "green": 230.0, "blue": 350.0}
"""Angles in the (Cb, Cr) plane, in degrees."""

HUE_JITTER = 8.0

# Luma and chroma stay where RGB does not clip: clipping would leak chroma into grey.
SPRITE_SATURATION, TINT_SATURATION = 45.0, 18.0
SPRITE_LUMA, SPRITE_CONTRAST = 145.0, 20.0
CLUTTER_LUMA, CLUTTER_CONTRAST, CLUTTER_RANGE = 95.0, 18.0, (65.0, 130.0)

CLUTTER_CELLS = (9, 24)
"""Cells across the frame of the two scales of the clutter."""

SPEEDS = (0.028, 0.042)
"""Slowest and fastest, as shares of the frame's side a flow: 2 to 3 pixels of 72."""

COLUMN_JITTER = 0.025
"""Of a sprite's column, as a share of the frame's width."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Extent of a clip: frames, and the side of its square frames in pixels."""

    frames: int = 36
    size: int = 72

    @property
    def radius(self) -> float:
        """Of a sprite, in pixels."""
        return self.size / 8


@dataclasses.dataclass(frozen=True)
class Sprite:
    """One sprite of a clip, with its direction before and after the middle.

    Attributes:
        colour: a key of HUES.
        pause: flows in the middle without motion.
        column: of its centre, as a share of the frame's width; None for a random one,
            also over the edge.
    """

    colour: str
    first: Direction
    second: Direction
    pause: int = 0
    column: float | None = None


class Layout(NamedTuple):
    """Everything random in a clip.

    Luma and (Cb, Cr) of the background; path and (Cb, Cr) of every sprite.
    """

    clutter: Float[np.ndarray, "y x"]
    background: tuple[float, float]
    centres: list[Float[np.ndarray, "t 2"]]
    colours: list[tuple[float, float]]


def lay_out(
    sprites: Sequence[Sprite], tint: float, shape: Shape, rng: np.random.Generator
) -> Layout:
    """Samples clutter, shades, starts and speeds; tint is the background's hue."""
    clutter, background = _clutter(shape.size, rng), _shade(tint, TINT_SATURATION, rng)
    layout = Layout(clutter, background, [], [])
    for sprite in sprites:
        layout.centres.append(path(sprite, shape, rng))
        layout.colours.append(_shade(HUES[sprite.colour], SPRITE_SATURATION, rng))
    return layout


def path(
    sprite: Sprite, shape: Shape, rng: np.random.Generator
) -> Float[np.ndarray, "t 2"]:
    """Centre (y, x) of a sprite in every frame, in pixels, not yet wrapped around."""
    start = rng.uniform(0, shape.size, 2)
    jitter = rng.uniform(-COLUMN_JITTER, COLUMN_JITTER)
    if sprite.column is not None:
        start[1] = (sprite.column + jitter) * shape.size
    speed = shape.size * rng.uniform(*SPEEDS)
    flows = shape.frames - 1
    pause = min(sprite.pause, flows // 3)
    half = (flows - pause) // 2
    steps = np.zeros((shape.frames, 2))
    steps[1 : 1 + half] = sprite.first
    steps[1 + half + pause :] = sprite.second
    return start + speed * np.cumsum(steps, axis=0)


def draw(layout: Layout, shape: Shape) -> UInt8[np.ndarray, "t rows x"]:
    """Draws a clip of an even size; later sprites cover earlier ones.

    Returns:
        Planar YCbCr 4:2:0 of limited range: each frame is its luma followed by Cb and
        Cr at half the resolution, so it has 3/2 as many rows as pixels down.
    """
    luma = np.repeat(layout.clutter[None], shape.frames, axis=0)
    half = (shape.frames, shape.size // 2, shape.size // 2)
    planes = [np.full(half, value, np.float32) for value in layout.background]
    for centres, colour in zip(layout.centres, layout.colours, strict=True):
        _paint_luma(luma, centres, shape)
        _paint_chroma(planes, centres, colour, shape)
    flat = [plane.reshape(shape.frames, -1) for plane in (luma, *planes)]
    whole = np.concatenate(flat, axis=1).round().astype(np.uint8)
    return whole.reshape(shape.frames, -1, shape.size)


def boxes(
    centre: Float[np.ndarray, "2"], shape: Shape
) -> Iterator[tuple[float, float, float, float]]:
    """Boxes of a sprite in a frame, several where it lies over an edge.

    From its centre (y, x) in pixels, not yet wrapped around, to y0, x0, y1, x1 as
    shares of the frame's side.
    """
    radius = shape.radius / shape.size
    ys, xs = (_spans(float(c) / shape.size, radius) for c in centre)
    for (y0, y1), (x0, x1) in itertools.product(ys, xs):
        yield y0, x0, y1, x1


def _spans(centre: float, radius: float) -> list[tuple[float, float]]:
    """The intervals of centre - radius .. centre + radius on a circle of length 1."""
    low, high = centre % 1 - radius, centre % 1 + radius
    if low < 0:
        return [(0.0, high), (low + 1, 1.0)]
    if high > 1:
        return [(0.0, high - 1), (low, 1.0)]
    return [(low, high)]


def _clutter(size: int, rng: np.random.Generator) -> Float[np.ndarray, "y x"]:
    noise = np.zeros((size, size), np.float32)
    for cells in CLUTTER_CELLS:
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        noise += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    noise *= CLUTTER_CONTRAST / noise.std()
    return np.clip(CLUTTER_LUMA + noise, *CLUTTER_RANGE)


def _shade(
    hue: float, saturation: float, rng: np.random.Generator
) -> tuple[float, float]:
    """(Cb, Cr) of a hue in degrees, with jitter."""
    radians = np.deg2rad(hue + rng.uniform(-HUE_JITTER, HUE_JITTER))
    return 128 + saturation * np.cos(radians), 128 + saturation * np.sin(radians)


def _paint_luma(
    luma: Float[np.ndarray, "t y x"], centres: Float[np.ndarray, "t 2"], shape: Shape
) -> None:
    axis = np.arange(shape.size) + 0.5
    r = _distance(centres, axis, axis, shape.size)
    cover = np.clip(shape.radius - r + 0.5, 0, 1)
    rings = np.cos(r * (3 * np.pi / shape.radius))
    luma += cover * (SPRITE_LUMA + SPRITE_CONTRAST * rings - luma)


def _paint_chroma(
    planes: Sequence[Float[np.ndarray, "t y x"]],
    centres: Float[np.ndarray, "t 2"],
    colour: tuple[float, float],
    shape: Shape,
) -> None:
    # 4:2:0 samples sit between two rows and on every other column's centre.
    even = np.arange(0, shape.size, 2)
    r = _distance(centres, even + 1.0, even + 0.5, shape.size)
    cover = np.clip((shape.radius - r) / 2 + 0.5, 0, 1)
    for plane, value in zip(planes, colour, strict=True):
        plane += cover * (np.float32(value) - plane)


def _distance(
    centres: Float[np.ndarray, "t 2"],
    ys: Float[np.ndarray, "y"],
    xs: Float[np.ndarray, "x"],
    size: int,
) -> Float[np.ndarray, "t y x"]:
    """Distance in pixels to the nearest copy of the sprite around the frame's edges."""

    def wrapped(offset: Float[np.ndarray, "t n"]) -> Float[np.ndarray, "t n"]:
        return ((offset + size / 2) % size - size / 2).astype(np.float32)

    y, x = wrapped(ys - centres[:, :1]), wrapped(xs - centres[:, 1:])
    return np.sqrt(np.square(y)[:, :, None] + np.square(x)[:, None, :])
