"""From a batch's bytes to a network's input: crop, mirror, transpose, normalise."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Shaped, UInt8

from stpn_jax.arrays import Array, Batch


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """How bytes become a network's input: (value - mean) / std per channel.

    Attributes:
        mean: one value per channel in `order`, or a single one for all.
        std: likewise.
        order: of an RGB image's channels as the weights expect them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Literal["rgb", "bgr"] = "rgb"

    def __call__(self, x: Shaped[Array, "*n c"]) -> Float[Array, "*n c"]:
        return (x - jnp.asarray(self.mean)) / jnp.asarray(self.std)


def rgb(
    batch: Batch, size: int, resize: bool, normalisation: Normalisation
) -> Float[Array, "b f size size 3"]:
    """RGB frames as the backbone's weights expect them.

    Args:
        batch: raw snippets.
        size: side of the network's input, in pixels.
        resize: whether crops differ in size from the input.
        normalisation: of the backbone's images.
    """
    planes = _crop(batch.rgb, batch.box, batch.flip, size, resize)
    if normalisation.order == "bgr":
        planes = planes[:, :, ::-1]
    return normalisation(jnp.moveaxis(planes, 2, -1))


def flow(
    batch: Batch, size: int, resize: bool, normalisation: Normalisation
) -> Float[Array, "b k size size c"]:
    """Stacks of flow; arguments as for rgb. Mirroring reverses x displacements."""
    planes = _crop(batch.flow, batch.box, batch.flip, size, resize)
    flat = planes.reshape(planes.shape[0], -1, size, size)
    # A stack has an even number of channels: x stays at even places when flattened.
    planes = mirror_flow_values(flat, batch.flip).reshape(planes.shape)
    return normalisation(jnp.moveaxis(planes, 2, -1))


def _crop(
    canvas: UInt8[Array, "b n c y x"],
    box: Float[Array, "b 4"],
    flip: Bool[Array, "b"],
    size: int,
    resize: bool,
) -> Shaped[Array, "b n c size size"]:
    """The planes of the network's input, as bytes where they need no resizing."""
    flat = canvas.reshape(canvas.shape[0], -1, *canvas.shape[3:])
    if resize:
        flat = crop_resize(flat, box, flip, size)
    else:
        flat = mirror(flat[..., :size, :size], flip)
    return flat.reshape(*canvas.shape[:3], size, size)


def crop_resize(
    canvas: UInt8[Array, "b n y x"],
    box: Float[Array, "b 4"],
    flip: Bool[Array, "b"],
    size: int,
) -> Float[Array, "b n size size"]:
    """Resizes each sample's crop to size x size and mirrors it where `flip` is set.

    Linear interpolation, antialiased where it shrinks; pixels outside the crop have no
    weight, so the canvas may hold anything there.

    Args:
        canvas: raw images, channels first.
        box: crop in pixels of the canvas: y0 x0 y1 x1.
        flip: mirror left to right.
        size: side of the result.
    """
    images = canvas.astype(jnp.float32)
    weights = jax.vmap(_weights, (0, 0, None, None))
    rows = weights(box[:, 0], box[:, 2], canvas.shape[2], size)
    columns = weights(box[:, 1], box[:, 3], canvas.shape[3], size)
    columns = jnp.where(flip[:, None, None], columns[:, ::-1], columns)
    return jnp.einsum("bsy,bnyx,btx->bnst", rows, images, columns)


def mirror(
    canvas: UInt8[Array, "b n y x"], flip: Bool[Array, "b"]
) -> UInt8[Array, "b n y x"]:
    """Mirrors samples where `flip` is set: crop_resize where the crop is the canvas."""
    return jnp.where(flip[:, None, None, None], canvas[..., ::-1], canvas)


def mirror_flow_values(
    flow: Shaped[Array, "b n y x"], flip: Bool[Array, "b"]
) -> Shaped[Array, "b n y x"]:
    """Reverses the sign of the x displacements of mirrored samples: v -> 255 - v.

    Of the channels of quantised flow, x is at even places and y at odd ones.
    """
    is_x = jnp.arange(flow.shape[1]) % 2 == 0
    return jnp.where(flip[:, None, None, None] & is_x[:, None, None], 255 - flow, flow)


def _weights(
    start: Float[Array, ""], stop: Float[Array, ""], length: int, size: int
) -> Float[Array, "size length"]:
    """Interpolation weights from the pixels start..stop of an axis to size pixels."""
    step = (stop - start) / size
    centres = start + (jnp.arange(size) + 0.5) * step - 0.5
    pixels = jnp.arange(length)
    distance = jnp.abs(pixels - centres[:, None]) / jnp.maximum(step, 1.0)
    inside = (pixels >= start) & (pixels < stop)
    weights = jnp.where(inside, jnp.maximum(1.0 - distance, 0.0), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)
