"""From a batch's bytes to a network's input: crop, mirror, transpose, normalise."""

import dataclasses
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Bool, Float, UInt8

from stpn_jax.arrays import Array, Batch
from stpn_jax.ops import image


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

    def __call__(self, x: Float[Array, "*n c"]) -> Float[Array, "*n c"]:
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
    planes = image.mirror_flow_values(flat, batch.flip).reshape(planes.shape)
    return normalisation(jnp.moveaxis(planes, 2, -1))


def _crop(
    canvas: UInt8[Array, "b n c y x"],
    box: Float[Array, "b 4"],
    flip: Bool[Array, "b"],
    size: int,
    resize: bool,
) -> Float[Array, "b n c size size"]:
    flat = canvas.reshape(canvas.shape[0], -1, *canvas.shape[3:])
    if resize:
        flat = image.crop_resize(flat, box, flip, size)
    else:
        flat = image.mirror(flat[..., :size, :size], flip)
    return flat.reshape(*canvas.shape[:3], size, size)
