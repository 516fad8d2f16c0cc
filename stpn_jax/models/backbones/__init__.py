"""The table of backbones: a new one is a file and a row."""

import dataclasses
from typing import Any, Literal

from stpn_jax.models.backbones import bn_inception, efficientnet_lite, tiny


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """How bytes become a network's input: (value - mean) / std per channel.

    Attributes:
        mean: one value a channel in `order`, or a single one for all.
        std: alike.
        order: of an RGB image's channels as the weights expect them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Literal["rgb", "bgr"] = "rgb"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A row of the table.

    Attributes:
        module: class with the fields batch_norm, axis_name and dtype; it is called
            with (x [n y x c], train), c being 3 or 2L, and returns the last map.
        channels: of that map.
        rgb: of images.
        flow: of quantised flow, whose zero is 128.
    """

    module: type[Any]
    channels: int
    rgb: Normalisation
    flow: Normalisation


BACKBONES = {
    "tiny": Backbone(
        module=tiny.Tiny,
        channels=tiny.CHANNELS,
        rgb=Normalisation((128.0,), (64.0,)),
        flow=Normalisation((128.0,), (64.0,)),
    ),
    "bn_inception": Backbone(
        module=bn_inception.BNInception,
        channels=bn_inception.CHANNELS,
        rgb=Normalisation((104.0, 117.0, 123.0), (1.0,), "bgr"),
        flow=Normalisation((128.0,), (1.0,)),
    ),
    "efficientnet_lite0": Backbone(
        module=efficientnet_lite.EfficientNetLite0,
        channels=efficientnet_lite.CHANNELS,
        rgb=Normalisation((127.0,), (128.0,)),
        flow=Normalisation((128.0,), (128.0,)),
    ),
}
