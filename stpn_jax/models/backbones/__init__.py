"""The table of backbones: a new one is a file and a row."""

import dataclasses
from typing import Any

from flax import linen as nn

from stpn_jax.models.backbones import tiny


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """How bytes become a network's input: (value - mean) / std per channel.

    Attributes:
        mean: one value a channel of an RGB image in `order`, or a single one.
        std: alike.
        order: of the colour channels; flow has none.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: str = "rgb"


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A row of the table.

    Attributes:
        module: class with the fields batch_norm, axis_name and dtype whose call takes
            (x [n y x c], train) with any number of channels and returns the last map.
        channels: of that map.
        rgb: of images.
        flow: of quantised flow, whose zero is 128.
    """

    module: type[Any]
    channels: int
    rgb: Normalisation
    flow: Normalisation

    def build(self, **fields: Any) -> nn.Module:
        """The module with these fields."""
        return self.module(**fields)


BACKBONES = {
    "tiny": Backbone(
        module=tiny.Tiny,
        channels=tiny.CHANNELS,
        rgb=Normalisation((128.0,), (64.0,)),
        flow=Normalisation((128.0,), (64.0,)),
    ),
}
