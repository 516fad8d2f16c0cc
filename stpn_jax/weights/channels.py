"""Adapts a first convolution to 3 colours or to 2L channels of stacked flow."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util
from jaxtyping import Float

from stpn_jax.utils.errors import UsageError

COLOURS = 3

FIRST_KERNEL = {
    "tiny": "conv1/kernel",
    "bn_inception": "conv1_7x7_s2/kernel",
    "vgg16": "conv1_1/kernel",
    "vgg16_caffe": "conv1_1/kernel",
    "resnet50": "conv1/kernel",
    "resnet50_caffe": "conv1/kernel",
    "resnet152": "conv1/kernel",
    "resnet152_caffe": "conv1/kernel",
    "efficientnet_lite0": "stem/conv/kernel",
    "efficientnet_lite1": "stem/conv/kernel",
    "efficientnet_lite2": "stem/conv/kernel",
}
"""Of the layer that sees the input, among the params of a backbone."""


def first_kernel(backbone: str, params: Mapping[str, Any]) -> str | None:
    """Path of the kernel that sees the input, or None if there is none.

    For a backbone that is not in FIRST_KERNEL it is the only kernel of three channels;
    without one, as in an exported flow stream, the channels must fit as they are.
    """
    flat = traverse_util.flatten_dict(dict(params), sep="/")
    kernels = {path: leaf for path, leaf in flat.items() if leaf.ndim == 4}
    if backbone in FIRST_KERNEL:
        path = FIRST_KERNEL[backbone]
        return path if path in kernels else None
    found = [path for path, leaf in kernels.items() if leaf.shape[2] == COLOURS]
    return found[0] if len(found) == 1 else None


def fit_first(
    backbone: str, params: dict[str, Any], channels: int, source: str
) -> dict[str, Any]:
    """The params of a backbone with the first kernel adapted to its input; see fit."""
    path = first_kernel(backbone, params)
    if path is None:
        return params
    flat = traverse_util.flatten_dict(params, sep="/")
    flat[path] = fit(flat[path], channels, source)
    return traverse_util.unflatten_dict(flat, sep="/")


def fit(
    kernel: Float[np.ndarray, "k1 k2 c d"], channels: int, source: str
) -> np.ndarray:
    """The kernel for another number of input channels.

    A kernel of the right channels stays. One for colours becomes its mean over R, G, B,
    once for each flow channel (cross-modality start, TSN section 3.2); it keeps its
    scale, so a response to 2L equal flow channels is 2L / 3 times that to a grey image.
    One for l flows is repeated L / l times along the channels, which stay interleaved
    x, y, x, y, ..., and divided by L / l; a motion that is constant along the stack
    then has the same response.

    Args:
        kernel: of a first convolution.
        channels: 3 for images, 2L for flow.
        source: the file, for error messages.

    Raises:
        UsageError: for other numbers of channels.
    """
    found = kernel.shape[2]
    if found == channels:
        return kernel
    if found == COLOURS:
        return np.repeat(kernel.mean(2, keepdims=True), channels, axis=2)
    if found % 2 == 0 and channels % found == 0:
        times = channels // found
        return np.tile(kernel, (1, 1, times, 1)) / np.float32(times)
    raise UsageError(
        f"{source}: its first convolution takes {found} channels, this stream has "
        f"{channels}; 3 fit every stream, 2l fit stacks of a multiple of l flows"
    )
