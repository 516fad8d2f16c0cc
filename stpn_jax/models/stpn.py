"""The spatiotemporal pyramid network of Figure 2: two streams, three fusion levels.

The file follows the figure: the streams, the levels (temporal fusion, attention,
pyramid fusion), and the forward pass through all of them. Comments show the shapes, in
the axis letters of arrays.py. What fuses at each level is in fusion.py.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import AnyBatch, Array, Batch, MapBatch, Outputs
from stpn_jax.config import FusionConfig
from stpn_jax.models import fusion, layers, preprocessing

ATTENTION_SOURCES = {
    "both": ("spatial", "temporal"),
    "temporal": ("temporal",),
    "spatial": ("spatial",),
}

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


class Stream(nn.Module):
    """One backbone with shared weights over all frames, or paths, of a snippet.

    Attributes:
        backbone: from images, or stacks of L flows, to feature maps.
        normalisation: of the backbone's input.
        size: side of its input, in pixels.
        resize: whether crops differ in size from the input.
    """

    backbone: nn.Module
    normalisation: preprocessing.Normalisation
    size: int
    resize: bool

    def apply_backbone(
        self, x: Float[Array, "b n h w c"], train: bool
    ) -> Float[Array, "b n y x d"]:
        """The feature maps of n images or stacks per snippet."""
        maps = self.backbone(x.reshape(-1, *x.shape[2:]), train)
        return maps.reshape(*x.shape[:2], *maps.shape[1:])


class SpatialStream(Stream):
    """From RGB frames to spatial feature maps; a MapBatch has them already."""

    def __call__(self, batch: AnyBatch, train: bool) -> Float[Array, "b f y x c"]:
        if isinstance(batch, MapBatch):
            return batch.images
        frames = preprocessing.rgb(batch, self.size, self.resize, self.normalisation)
        return self.apply_backbone(frames, train)  # [b f size size 3] -> [b f y x c]


class TemporalStream(Stream):
    """From optical flow to the feature maps of K paths; a MapBatch has them already."""

    def __call__(self, batch: AnyBatch, train: bool) -> Float[Array, "b k y x c"]:
        if isinstance(batch, MapBatch):
            return batch.paths
        stacks = preprocessing.flow(batch, self.size, self.resize, self.normalisation)
        return self.apply_backbone(stacks, train)  # [b k size size 2L] -> [b k y x c]


class TemporalFusion(nn.Module):
    """First level: K paths fused at each location (section 3.2)."""

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(self, paths: Float[Array, "b k y x c"]) -> Float[Array, "b y x d"]:
        """The motion feature map; a single path passes unchanged (Table 4)."""
        if paths.shape[1] == 1:
            return paths[:, 0]
        pathways = [paths[:, k] for k in range(paths.shape[1])]
        return fusion.Fusion(self.config, self.seed, name="fusion")(pathways)


class SpatiotemporalAttention(nn.Module):
    """Second level: motion selects locations of the spatial feature map (section 3.3).

    Attributes:
        config: fusion of the spatial and the motion feature map.
        seed: of its sketches.
        source: which maps the scores are computed from, a key of ATTENTION_SOURCES.
        hidden: channels of the first of the two 1x1 convolutions.
        activation: between them, a key of ACTIVATIONS.
    """

    config: FusionConfig
    seed: tuple[int, ...]
    source: str
    hidden: int
    activation: str

    @nn.compact
    def __call__(
        self, images: Float[Array, "b f y x c"], motion: Float[Array, "b v u d"]
    ) -> tuple[Float[Array, "b f y x"], Float[Array, "b f c"]]:
        """Attends each of the f spatial maps with the snippet's motion feature map.

        A motion feature map on another grid is resized to that of the images.

        Returns:
            the weights, which sum to 1 over each grid, and the attended vectors.
        """
        grid = images.shape[2:4]
        if motion.shape[1:3] != grid:
            shape = (motion.shape[0], *grid, motion.shape[-1])
            motion = jax.image.resize(motion, shape, "linear")
        shape = (*images.shape[:2], *motion.shape[1:])
        motions = jnp.broadcast_to(motion[:, None], shape)  # [b f y x d]
        maps = {"spatial": images, "temporal": motions}
        pathways = [maps[name] for name in ATTENTION_SOURCES[self.source]]
        config = self.config
        if len(pathways) == 1:
            # A single map is not fused, but normalised like a fused one.
            config = dataclasses.replace(config, kind="concatenation")
        fused = fusion.Fusion(config, self.seed, name="fusion")(pathways)
        hidden = nn.Dense(self.hidden, name="hidden")(fused)  # [b f y x hidden]
        hidden = ACTIVATIONS[self.activation](hidden)
        scores = nn.Dense(1, name="score")(hidden)[..., 0]  # [b f y x]
        weights = attention_weights(scores)
        return weights, attention_pool(weights, images)


def attention_weights(scores: Float[Array, "*n y x"]) -> Float[Array, "*n y x"]:
    """Softmax of the scores over the whole grid."""
    flat = scores.reshape(*scores.shape[:-2], -1)
    return jax.nn.softmax(flat, axis=-1).reshape(scores.shape)


def attention_pool(
    weights: Float[Array, "*n y x"], maps: Float[Array, "*n y x c"]
) -> Float[Array, "*n c"]:
    """Sum of each feature map's vectors, weighted by location."""
    return (weights[..., None] * maps).sum(axis=(-3, -2))


class PyramidFusion(nn.Module):
    """Third level: the pooled and the attended vectors fused (section 3.4)."""

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(self, vectors: list[Float[Array, "b _"]]) -> Float[Array, "b d"]:
        return fusion.Fusion(self.config, self.seed, name="fusion")(vectors)


class Network(nn.Module):
    """Streams and a classifier: what all networks have.

    A network is called with a batch and, in training, one dropout key per sample;
    `train` says whether statistics of the batch are used and tracked.

    Attributes:
        spatial: the stream of RGB frames, or None.
        temporal: the stream of optical flow, or None.
        classifier: from the last features to logits.
    """

    spatial: SpatialStream | None
    temporal: TemporalStream | None
    classifier: layers.Classifier

    def feature_maps(self, batch: Batch) -> MapBatch:
        """The streams' output in testing, which the network takes in place of pixels.

        A stream that it lacks gives no maps: f or k is 0.
        """
        streams = {"images": self.spatial, "paths": self.temporal}
        maps = {name: one(batch, False) for name, one in streams.items() if one}
        none = next(iter(maps.values()))[:, :0]  # [b 0 y x c]
        images, paths = (maps.get(name, none) for name in streams)
        return MapBatch(images, paths, batch.label, batch.mask, batch.video)


class SpatiotemporalPyramid(Network):
    """Two streams, three levels of fusion, one loss.

    Attributes:
        temporal_fusion: the first level.
        attention: the second, or None (Table 3; Table 6, B and C).
        pyramid_fusion: the third.
    """

    spatial: SpatialStream
    temporal: TemporalStream
    temporal_fusion: TemporalFusion
    attention: SpatiotemporalAttention | None
    pyramid_fusion: PyramidFusion

    def __call__(
        self, batch: AnyBatch, keys: layers.Keys = None, *, train: bool = False
    ) -> Outputs:
        """Classifies snippets (Figure 2).

        Several RGB frames are each attended with the snippet's one motion feature map;
        their pooled and attended vectors are averaged, then fused.
        """
        images = self.spatial(batch, train)  # [b f y x c] spatial feature maps
        paths = self.temporal(batch, train)  # [b k v u c]
        motion = self.temporal_fusion(paths)  # [b v u d] motion feature map

        features = {
            "spatial": images.mean(axis=(1, 2, 3)),  # [b c]
            "temporal": motion.mean(axis=(1, 2)),  # [b d]
        }
        weights = None
        if self.attention:
            weights, attended = self.attention(images, motion)  # [b f y x], [b f c]
            weights = weights.mean(axis=1)  # [b y x]
            features["attended"] = attended.mean(axis=1)  # [b c]

        fused = self.pyramid_fusion(list(features.values()))  # [b d]
        logits = self.classifier(fused[:, None], keys)  # [b classes]
        return Outputs(logits, weights, features | {"fused": fused})
