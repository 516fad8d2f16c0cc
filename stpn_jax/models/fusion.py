"""Fusion of m pathways at each location: the operators that Tables 3 to 5 compare."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Float32

from stpn_jax.arrays import Array
from stpn_jax.config import FusionConfig
from stpn_jax.ops import compact_bilinear, count_sketch
from stpn_jax.utils.errors import UsageError

# Two maps of ResNet, 2048 x 2048; the classifier behind it has a weight for each.
MAX_BILINEAR_WIDTH = 2048**2

Seed = tuple[int, ...]
Pathways = Sequence[Float32[Array, "*n _"]]
Fused = Float32[Array, "*n d"]


class Fusion(nn.Module):
    """One fusion level: the operator of the config, then its normalisation.

    Attributes:
        config: which operator, and what follows it.
        seed: of the sketches; distinct for every level of a network.
    """

    config: FusionConfig
    seed: Seed

    @nn.compact
    def __call__(self, pathways: Sequence[Float[Array, "*n _"]]) -> Fused:
        """Fuses arrays that agree in all axes but the last, in float32."""
        kind = self.config.kind
        if kind not in FUSIONS:
            known = ", ".join(FUSIONS)
            raise UsageError(f"fusion kind {kind!r}: expected one of {known}")
        if kind != "stcb":  # Its sketches of what is in bfloat16 take a shortcut.
            pathways = [x.astype(jnp.float32) for x in pathways]
        fused = FUSIONS[kind](pathways, self.config.width, self.seed)
        return normalise(fused, self.config)


def normalise(x: Fused, config: FusionConfig) -> Fused:
    """Signed square root, L2 and scale, each as the config has it."""
    if config.signed_sqrt:
        x = compact_bilinear.signed_sqrt(x)
    if config.l2:
        x = compact_bilinear.l2_normalise(x)
    return x * (config.scale or math.sqrt(x.shape[-1]))


def stcb(pathways: Sequence[Float[Array, "*n _"]], width: int, seed: Seed) -> Fused:
    """Compact bilinear fusion (Algorithm 1)."""
    return CompactBilinear(width, seed, name="operator")(pathways)


class CompactBilinear(nn.Module):
    """STCB with sketches that are sampled once and saved with the parameters."""

    width: int
    seed: Seed

    @nn.compact
    def __call__(self, pathways: Sequence[Float[Array, "*n _"]]) -> Fused:
        sketches = [self._sketch(i, x.shape[-1]) for i, x in enumerate(pathways)]
        return compact_bilinear.compact_bilinear(pathways, sketches, self.width)

    def _sketch(self, pathway: int, channels: int) -> count_sketch.Sketch:
        seed = (*self.seed, pathway)
        variable = self.variable(
            "sketches",
            f"pathway{pathway}",
            lambda: count_sketch.sample(seed, channels, self.width)._asdict(),
        )
        return count_sketch.Sketch(**variable.value)


def concatenate(pathways: Pathways, *_: Any) -> Fused:
    """The pathways' channels side by side."""
    return jnp.concatenate(pathways, axis=-1)


def bilinear(pathways: Pathways, *_: Any) -> Fused:
    """The whole outer product of the pathways, which compact bilinear approximates."""
    width = math.prod(x.shape[-1] for x in pathways)
    if width > MAX_BILINEAR_WIDTH:
        widths = " x ".join(str(x.shape[-1]) for x in pathways)
        raise UsageError(
            f"fusion by bilinear: {widths} = {width} products per location, more "
            f"than {MAX_BILINEAR_WIDTH}; use stcb, or fewer pathways"
        )
    return functools.reduce(_outer, pathways)


def _outer(x: Array, y: Array) -> Array:
    product = x[..., :, None] * y[..., None, :]
    return product.reshape(*x.shape[:-1], -1)


def add(pathways: Pathways, *_: Any) -> Fused:
    """The element-wise sum of pathways of one width."""
    _check_widths("sum", pathways)
    return functools.reduce(jnp.add, pathways)


def multiply(pathways: Pathways, *_: Any) -> Fused:
    """The element-wise product of pathways of one width.

    It merges the segments of Deep Temporal Linear Encoding (Diba et al. 2017).
    """
    _check_widths("product", pathways)
    return functools.reduce(jnp.multiply, pathways)


def _check_widths(kind: str, pathways: Pathways) -> None:
    widths = [x.shape[-1] for x in pathways]
    if len(set(widths)) > 1:
        raise UsageError(f"fusion by {kind} needs pathways of one width, not {widths}")


FUSIONS = {
    "stcb": stcb,
    "concatenation": concatenate,
    "sum": add,
    "product": multiply,
    "bilinear": bilinear,
}
