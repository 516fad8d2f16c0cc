"""Optical flow between the frames of a video, and its code of one byte a component."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from stpn_jax.arrays import Array
from stpn_jax.ops import tvl1
from stpn_jax.video import imaging

BOUND = 20.0
"""Displacement in pixels that becomes 255; its negative becomes 0 (TSN)."""


def quantise(
    flow: Float[Array, "*n y x 2"], bound: float = BOUND
) -> UInt8[jax.Array, "*n y x 2"]:
    """round(255 (v + bound) / (2 bound)), saturated, of v pixels; 0 becomes 128."""
    code = jnp.round(255 * (jnp.asarray(flow) + bound) / (2 * bound))
    return jnp.clip(code, 0, 255).astype(jnp.uint8)


def dequantise(
    code: UInt8[Array, "*n y x 2"], bound: float = BOUND
) -> Float[jax.Array, "*n y x 2"]:
    """Displacement in pixels of a code, the inverse of quantise up to rounding."""
    return jnp.asarray(code, jnp.float32) * (2 * bound / 255) - bound


def chunk() -> int:
    """Pairs of frames of one call, so that one compiled program serves every video."""
    return 16 if jax.default_backend() == "cpu" else 64


def compute(
    frames: UInt8[np.ndarray, "t y x 3"],
    parameters: tvl1.Parameters | None = None,
    bound: float = BOUND,
) -> UInt8[np.ndarray, "t-1 y x 2"]:
    """Codes of TV-L1 flow from each RGB frame to the next, x first; at least 2 frames.

    The parameters of TV-L1 are by default OpenCV's.
    """
    parameters = parameters or tvl1.Parameters()
    grey = np.stack([imaging.grey(frame) for frame in frames])
    codes = [
        np.asarray(_codes(part[:-1], part[1:], parameters, bound))
        for part in _chunks(grey)
    ]
    return np.concatenate(codes)[: len(grey) - 1]


def _chunks(grey: UInt8[np.ndarray, "t y x"]) -> Iterator[UInt8[np.ndarray, "t y x"]]:
    """chunk() + 1 frames at a time, each starting with the last of those before.

    The last chunk is filled up with its last frame: a still pair costs next to nothing.
    """
    pairs = chunk()
    for start in range(0, len(grey) - 1, pairs):
        part = grey[start : start + pairs + 1]
        missing = pairs + 1 - len(part)
        yield np.pad(part, ((0, missing), (0, 0), (0, 0)), mode="edge")


@functools.partial(jax.jit, static_argnums=(2, 3))
def _codes(
    first: UInt8[Array, "n y x"],
    second: UInt8[Array, "n y x"],
    parameters: tvl1.Parameters,
    bound: float,
) -> UInt8[jax.Array, "n y x 2"]:
    together = 1 if jax.default_backend() == "cpu" else len(first)
    return quantise(tvl1.flow(first, second, parameters, together), bound)
