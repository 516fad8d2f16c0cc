"""Fits a first convolution to 3 colours or to 2L channels of stacked flow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util
from jaxtyping import Float

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import tables

COLOURS = 3


def first_kernel(backbone: str, params: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Where the kernel that sees the input is among a backbone's params.

    A backbone that tables.FIRST_KERNEL does not have gets its only kernel of three
    channels; without one, as in an exported flow stream, its channels must fit.

    Returns:
        The path, or None where there is no such kernel.
    """
    kernels = {
        path: leaf
        for path, leaf in traverse_util.flatten_dict(dict(params)).items()
        if leaf.ndim == 4
    }
    if backbone in tables.FIRST_KERNEL:
        path = tuple(tables.FIRST_KERNEL[backbone].split("/"))
        return path if path in kernels else None
    found = [path for path, leaf in kernels.items() if leaf.shape[2] == COLOURS]
    return found[0] if len(found) == 1 else None


def fit_first(
    backbone: str, params: dict[str, Any], channels: int, source: str
) -> dict[str, Any]:
    """The params of a backbone with their first kernel fit to an input; see fit."""
    path = first_kernel(backbone, params)
    if path is None:
        return params
    flat = traverse_util.flatten_dict(params)
    flat[path] = fit(flat[path], channels, source)
    return traverse_util.unflatten_dict(flat)


def fit(
    kernel: Float[np.ndarray, "k1 k2 c d"], channels: int, source: str
) -> np.ndarray:
    """The kernel for another number of input channels.

    Colours become flow by `inflate`, a shorter stack a longer one by `tile`; a kernel
    of the right channels stays, in the file's order of them.

    Args:
        kernel: of a first convolution.
        channels: 3 for images, 2L for flow.
        source: the file, for the message.

    Raises:
        UsageError: neither is possible.
    """
    found = kernel.shape[2]
    if found == channels:
        return kernel
    if found == COLOURS:
        return inflate(kernel, channels)
    if found % 2 == 0 and channels % found == 0:
        return tile(kernel, channels)
    raise UsageError(
        f"{source}: its first convolution takes {found} channels, this stream has "
        f"{channels}; 3 fit every stream, 2l fit stacks of a multiple of l flows"
    )


def inflate(kernel: Float[np.ndarray, "k1 k2 c d"], channels: int) -> np.ndarray:
    """Cross-modality start: the mean over R, G, B, once for each flow channel.

    Wang et al. 2016 (TSN), section 3.2; the kernel keeps its scale, so a response to
    2L equal flow channels is 2L / 3 times that to a grey image.
    """
    return np.repeat(kernel.mean(2, keepdims=True), channels, axis=2)


def tile(kernel: Float[np.ndarray, "k1 k2 c d"], channels: int) -> np.ndarray:
    """From a stack of l flows to one of L: every l of them see the same kernel.

    Their responses are averaged: the kernel is repeated L / l times along the channels,
    which stay interleaved x, y, x, y, ..., and divided by L / l. A motion that does not
    change along the stack is answered as before.
    """
    times = channels // kernel.shape[2]
    return np.tile(kernel, (1, 1, times, 1)) / np.float32(times)
