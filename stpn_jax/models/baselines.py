"""The networks that the pyramid is compared with: one stream, or attention alone."""

from jaxtyping import Float

from stpn_jax.arrays import AnyBatch, Array, Outputs
from stpn_jax.models import layers, pooling, stpn


class SpatialNetwork(stpn.Network):
    """Spatial stream alone (Table 2); the features of several frames are averaged."""

    spatial: stpn.SpatialStream
    grid: int

    def __call__(
        self, batch: AnyBatch, keys: layers.Keys = None, *, train: bool = False
    ) -> Outputs:
        images = self.spatial(batch, train)  # [b f y x c]
        logits = self.classifier(stream_features(images, self.grid), keys)
        return Outputs(logits, None, {"spatial": images.mean(axis=(1, 2, 3))})


class TemporalNetwork(stpn.Network):
    """Temporal stream alone: one path, or K paths and their fusion (Tables 2 and 4).

    Hidden layers see the grid of one path, as in the image network that they come from,
    but the average of a fused map, which is many times as wide.
    """

    temporal: stpn.TemporalStream
    temporal_fusion: stpn.TemporalFusion
    grid: int

    def __call__(
        self, batch: AnyBatch, keys: layers.Keys = None, *, train: bool = False
    ) -> Outputs:
        paths = self.temporal(batch, train)  # [b k y x c]
        motion = self.temporal_fusion(paths)[:, None]  # [b 1 y x d]
        grid = self.grid if paths.shape[1] == 1 else 0
        logits = self.classifier(stream_features(motion, grid), keys)
        return Outputs(logits, None, {"temporal": motion.mean(axis=(1, 2, 3))})


class AttendedNetwork(stpn.Network):
    """Spatial stream pooled by attention instead of averaging (Table 5).

    It has one temporal path, whose map is as wide as the spatial feature map.
    """

    spatial: stpn.SpatialStream
    temporal: stpn.TemporalStream
    temporal_fusion: stpn.TemporalFusion
    attention: stpn.SpatiotemporalAttention

    def __call__(
        self, batch: AnyBatch, keys: layers.Keys = None, *, train: bool = False
    ) -> Outputs:
        images = self.spatial(batch, train)  # [b f y x c]
        motion = self.temporal_fusion(self.temporal(batch, train))  # [b y x d]
        weights, vectors = self.attention(images, motion)  # [b f y x], [b f c]
        attended = vectors.mean(axis=1)  # [b c]
        logits = self.classifier(attended[:, None], keys)
        features = {"spatial": images.mean(axis=(1, 2, 3)), "attended": attended}
        return Outputs(logits, weights.mean(axis=1), features)


def stream_features(
    maps: Float[Array, "b n y x c"], grid: int
) -> Float[Array, "b f d"]:
    """What the classifier of a single stream sees of its feature maps.

    Args:
        maps: of n frames or paths.
        grid: 0 for average pooling; else the side of the grid of each map that is
            flattened for the first hidden layer, one vector per map.
    """
    if not grid:
        return maps.mean(axis=(1, 2, 3))[:, None]
    flat = maps.reshape(-1, *maps.shape[2:])
    cells = pooling.adaptive_average_pool(flat, grid)
    return cells.reshape(*maps.shape[:2], -1)
