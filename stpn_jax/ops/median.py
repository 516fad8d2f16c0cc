"""The median filter as a sorting network: exchanges of whole images, no branches."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jaxtyping import Float


def median(images: Float[jax.Array, "*n y x"], side: int) -> Float[jax.Array, "*n y x"]:
    """Median over squares of `side` pixels, the border pixels repeated.

    Args:
        images: any number of them.
        side: odd; 1 changes nothing.
    """
    *leading, height, width = images.shape
    reach = side // 2
    border = [(0, 0) for _ in leading] + [(reach, reach)] * 2
    padded = jnp.pad(images, border, mode="edge")
    corners = [(y, x) for y in range(side) for x in range(side)]
    values = [padded[..., y : y + height, x : x + width] for y, x in corners]
    for i, j in _sorting_network(len(values)):
        values[i], values[j] = _ordered(values[i], values[j])
    return values[len(values) // 2]


def _sorting_network(count: int) -> Iterator[tuple[int, int]]:
    """Batcher's odd-even merge sort of `count` values, as exchanges in order."""
    run = 1
    while run < count:
        gap = run
        while gap:
            for start in range(gap % run, count - gap, 2 * gap):
                for i in range(start, min(start + gap, count - gap)):
                    if i // (2 * run) == (i + gap) // (2 * run):
                        yield i, i + gap
            gap //= 2
        run *= 2


# Comparisons instead of jnp.minimum and jnp.maximum: those must propagate NaN, which
# costs several instructions where a comparison and a choice make one.
def _ordered(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(a < b, a, b), jnp.where(a < b, b, a)
