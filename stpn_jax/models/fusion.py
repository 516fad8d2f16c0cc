"""Fusion of m pathways at each location, which Tables 3 to 5 compare."""

import functools
import math
from collections.abc import Sequence

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.config import FusionConfig
from stpn_jax.ops import compact_bilinear, count_sketch
from stpn_jax.utils.errors import UsageError

# Two maps of ResNet, 2048 x 2048; the classifier behind it has a row for each.
MAX_BILINEAR_WIDTH = 2048**2


class Fusion(nn.Module):
    """One fusion level: the operator of the config, then its normalisation.

    Attributes:
        config: which operator, and what follows it.
        seed: draws the sketches; distinct for every level of a network.
    """

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(
        self, pathways: Sequence[Float[Array, "*n _"]]
    ) -> Float[Array, "*n _"]:
        """Fuses arrays that agree in all axes but the last."""
        if self.config.kind not in FUSIONS:
            known = ", ".join(FUSIONS)
            raise UsageError(
                f"fusion kind {self.config.kind!r}: expected one of {known}"
            )
        fused = FUSIONS[self.config.kind](self.config, self.seed, name="operator")(
            pathways
        )
        return normalise(fused, self.config)


def normalise(x: Float[Array, "*n d"], config: FusionConfig) -> Float[Array, "*n d"]:
    """Signed square root, L2 and scale, each as the config has it."""
    if config.signed_sqrt:
        x = compact_bilinear.signed_sqrt(x)
    if config.l2:
        x = compact_bilinear.l2_normalise(x)
    return x * (config.scale or math.sqrt(x.shape[-1]))


class CompactBilinear(nn.Module):
    """STCB with sketches that are drawn once and saved with the parameters."""

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(
        self, pathways: Sequence[Float[Array, "*n _"]]
    ) -> Float[Array, "*n d"]:
        sketches = [self._sketch(i, x.shape[-1]) for i, x in enumerate(pathways)]
        return compact_bilinear.compact_bilinear(pathways, sketches, self.config.width)

    def _sketch(self, pathway: int, channels: int) -> count_sketch.Sketch:
        variable = self.variable(
            "sketches",
            f"pathway{pathway}",
            lambda: count_sketch.draw(
                (*self.seed, pathway), channels, self.config.width
            )._asdict(),
        )
        return count_sketch.Sketch(**variable.value)


class Concatenation(nn.Module):
    """The pathways' channels side by side."""

    config: FusionConfig
    seed: tuple[int, ...]

    def __call__(
        self, pathways: Sequence[Float[Array, "*n _"]]
    ) -> Float[Array, "*n _"]:
        return jnp.concatenate([x.astype(jnp.float32) for x in pathways], axis=-1)


class Bilinear(nn.Module):
    """The whole outer product of the pathways, which compact bilinear approximates."""

    config: FusionConfig
    seed: tuple[int, ...]

    def __call__(
        self, pathways: Sequence[Float[Array, "*n _"]]
    ) -> Float[Array, "*n d"]:
        width = math.prod(x.shape[-1] for x in pathways)
        if width > MAX_BILINEAR_WIDTH:
            widths = " x ".join(str(x.shape[-1]) for x in pathways)
            raise UsageError(
                f"fusion by bilinear: {widths} = {width} products a location, more "
                f"than {MAX_BILINEAR_WIDTH}; use stcb, or fewer pathways"
            )
        return functools.reduce(_outer, (x.astype(jnp.float32) for x in pathways))


def _outer(x: Array, y: Array) -> Array:
    product = x[..., :, None] * y[..., None, :]
    return product.reshape(*x.shape[:-1], -1)


class Sum(nn.Module):
    """The element-wise sum of pathways of one width."""

    config: FusionConfig
    seed: tuple[int, ...]

    def __call__(
        self, pathways: Sequence[Float[Array, "*n c"]]
    ) -> Float[Array, "*n c"]:
        return functools.reduce(jnp.add, _of_one_width("sum", pathways))


class Product(nn.Module):
    """The element-wise product of pathways of one width.

    It merges the segments of Deep Temporal Linear Encoding (Diba et al. 2017).
    """

    config: FusionConfig
    seed: tuple[int, ...]

    def __call__(
        self, pathways: Sequence[Float[Array, "*n c"]]
    ) -> Float[Array, "*n c"]:
        return functools.reduce(jnp.multiply, _of_one_width("product", pathways))


def _of_one_width(kind: str, pathways: Sequence[Array]) -> list[Array]:
    widths = [x.shape[-1] for x in pathways]
    if len(set(widths)) > 1:
        raise UsageError(f"fusion by {kind} needs pathways of one width, not {widths}")
    return [x.astype(jnp.float32) for x in pathways]


FUSIONS = {
    "stcb": CompactBilinear,
    "concatenation": Concatenation,
    "sum": Sum,
    "product": Product,
    "bilinear": Bilinear,
}
