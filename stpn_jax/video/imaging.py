"""OpenCV's bilinear resizing and grey pixels, to the bit, without its 160 MB."""

import functools

import numpy as np
from jaxtyping import Int, UInt8

from stpn_jax.arrays import Array

_BITS = 11
"""Of a bilinear weight; products of both axes lose 4 bits, then 16, then 2."""

_GREY_BITS = 15
_RED, _GREEN, _BLUE = np.array((9798, 19235, 3735), np.int32)
"""Luminance of ITU-R BT.601, times 2 to the power of _GREY_BITS."""


def grey(frames: UInt8[Array, "*n y x 3"]) -> UInt8[Array, "*n y x"]:
    """Luminance, rounded: cv2.COLOR_RGB2GRAY."""
    red, green, blue = (frames[..., channel] for channel in range(3))
    total = red * _RED + green * _GREEN + blue * _BLUE
    return ((total + (1 << (_GREY_BITS - 1))) >> _GREY_BITS).astype(np.uint8)


def resize(
    frame: UInt8[np.ndarray, "y x c"], size: tuple[int, int]
) -> UInt8[np.ndarray, "y2 x2 c"]:
    """One frame resized to width and height, bilinear: cv2.INTER_LINEAR."""
    height, width, channels = frame.shape
    if (width, height) == size:
        return frame.copy()
    if (width, height) == (2 * size[0], 2 * size[1]):
        return _half(frame)
    (left, right), (a, b) = _columns(width, size[0], channels)
    used, (upper, lower), (c, d) = _rows(height, size[1])
    flat = frame.reshape(height, -1)
    flat = flat if len(used) == height else flat[used]
    wide = flat.take(left, 1) * a
    wide += flat.take(right, 1) * b
    wide >>= 4
    total, other = wide.take(upper, 0), wide.take(lower, 0)
    total *= c
    other *= d
    total >>= 16
    other >>= 16
    total += other
    total += 2
    total >>= 2
    return total.astype(np.uint8).reshape(size[1], size[0], channels)


def _half(frame: UInt8[np.ndarray, "y x c"]) -> UInt8[np.ndarray, "y2 x2 c"]:
    """Means of 2 x 2 pixels, rounded."""
    rows = frame[::2].astype(np.uint16) + frame[1::2]
    return ((rows[:, ::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


@functools.cache
def _columns(
    old: int, new: int, channels: int
) -> tuple[Int[np.ndarray, "2 n"], Int[np.ndarray, "2 n"]]:
    """Indices and weights of the two neighbours of each value in a new row."""
    first, share = _positions(old, new)
    share[(first < 0) | (first >= old - 1)] = 0
    pairs = np.stack([first, first + 1]).clip(0, old - 1)
    indices = pairs[..., None] * channels + np.arange(channels)
    return indices.reshape(2, -1), np.repeat(_weights(share), channels, axis=1)


@functools.cache
def _rows(
    old: int, new: int
) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "2 n"], Int[np.ndarray, "2 n 1"]]:
    """Rows that are read, which of them are each new row's neighbours, and weights."""
    first, share = _positions(old, new)
    pairs = np.stack([first, first + 1]).clip(0, old - 1)
    used, where = np.unique(pairs, return_inverse=True)
    return used, where.reshape(2, -1), _weights(share)[..., None]


def _positions(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Where new pixels lie among the old ones: the one before, and how far behind."""
    at = ((np.arange(new) + 0.5) * (1 / (new / old)) - 0.5).astype(np.float32)
    first = np.floor(at)
    return first.astype(np.intp), at - first


def _weights(share: np.ndarray) -> Int[np.ndarray, "2 n"]:
    weights = np.stack([1 - share, share]) * np.float32(1 << _BITS)
    return np.rint(weights).astype(np.int32)
