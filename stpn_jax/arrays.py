"""The axis legend, the array aliases and the data types that all parts share.

Axis letters, used in every signature:

    b  samples of a batch              y x  height and width of an image or a map
    f  RGB frames of a snippet         c    channels
    k  temporal paths of a snippet     d    width of a sketch or a fused feature
    t  frames or flows along time      n    any flattened leading axes
    v u  height and width of a map of motion, where the image's may differ
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

Array = jax.Array | np.ndarray


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """Snippets as the host delivers them: raw bytes and their crops.

    Attributes:
        rgb: RGB frames on a square canvas; f is 0 for a flow-only network.
        flow: quantised flow, x and y interleaved per frame, so c = 2L; k is 0 for
            an RGB-only network.
        box: crop inside the canvas in pixels: y0 x0 y1 x1.
        flip: whether the crop is mirrored left to right.
        label: class index.
        mask: False for the padding of the last batch.
        video: index of the video in its data set, -1 for padding.
    """

    rgb: UInt8[Array, "b f 3 y x"]
    flow: UInt8[Array, "b k c y x"]
    box: Float[Array, "b 4"]
    flip: Bool[Array, "b"]
    label: Int32[Array, "b"]
    mask: Bool[Array, "b"]
    video: Int32[Array, "b"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MapBatch:
    """Snippets as feature maps of the two streams, in place of pixels.

    Attributes:
        images: feature maps of the RGB frames; f is 0 for a flow-only network.
        paths: feature maps of the temporal paths; k is 0 for an RGB-only network.
        label: class index.
        mask: False for the padding of the last batch.
        video: index of the video in its data set, -1 for padding.
    """

    images: Float[Array, "b f y x c"]
    paths: Float[Array, "b k v u c"]
    label: Int32[Array, "b"]
    mask: Bool[Array, "b"]
    video: Int32[Array, "b"]


AnyBatch = Batch | MapBatch
"""A network's input."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Outputs:
    """What every network returns; a single stream fills the fields that it has.

    Attributes:
        logits: class scores before the softmax.
        attention: weights over the grid that sum to 1, or None without attention.
        features: by name: spatial, temporal, attended, fused.
    """

    logits: Float[Array, "b classes"]
    attention: Float[Array, "b y x"] | None
    features: dict[str, Float[Array, "b _"]]
