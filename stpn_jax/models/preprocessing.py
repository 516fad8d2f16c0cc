"""From the raw batch to what the streams see: crop, mirror, transpose, normalise."""

import jax.numpy as jnp
from jaxtyping import Bool, Float, UInt8

from stpn_jax.arrays import Array, Batch
from stpn_jax.models.backbones import Normalisation
from stpn_jax.ops import image


def rgb(
    batch: Batch, size: int, resize: bool, convention: Normalisation
) -> Float[Array, "b f size size 3"]:
    """RGB frames as the backbone's weights expect them."""
    planes = _view(batch.rgb, batch.box, batch.flip, size, resize)
    if convention.order == "bgr":
        planes = planes[:, :, ::-1]
    return _normalise(jnp.moveaxis(planes, 2, -1), convention)


def flow(
    batch: Batch, size: int, resize: bool, convention: Normalisation
) -> Float[Array, "b k size size c"]:
    """Stacks of flow; a mirrored sample's x displacements change their sign."""
    planes = _view(batch.flow, batch.box, batch.flip, size, resize)
    flat = planes.reshape(planes.shape[0], -1, size, size)
    # A stack has an even number of channels: x stays at even places when flattened.
    planes = image.mirror_flow_values(flat, batch.flip).reshape(planes.shape)
    return _normalise(jnp.moveaxis(planes, 2, -1), convention)


def _view(
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


def _normalise(
    x: Float[Array, "*n c"], convention: Normalisation
) -> Float[Array, "*n c"]:
    return (x - jnp.asarray(convention.mean)) / jnp.asarray(convention.std)
