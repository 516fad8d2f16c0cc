"""The two baselines: one stream and a classifier (Table 2, Table 4)."""

from flax import linen as nn
from jaxtyping import Key

from stpn_jax.arrays import AnyBatch, Array, Outputs
from stpn_jax.models import classifier, maps
from stpn_jax.models.settings import Settings


class SpatialNetwork(nn.Module):
    """Spatial stream alone; the features of several frames are averaged."""

    settings: Settings

    @nn.compact
    def __call__(
        self,
        batch: AnyBatch,
        keys: Key[Array, "b"] | None = None,
        *,
        train: bool = False,
    ) -> Outputs:
        make = self.settings
        images = maps.images(make, batch, train)
        features = classifier.stream_features(images, make.backbone.grid)
        logits = make.classifier("classifier")(features, keys)
        return Outputs(logits, None, {"spatial": images.mean(axis=(1, 2, 3))})


class TemporalNetwork(nn.Module):
    """Temporal stream alone: one path, or K paths and their fusion.

    Hidden layers see the grid of one path, as in the image network that they come from,
    but the average of a fused map, which is many times as wide.
    """

    settings: Settings

    @nn.compact
    def __call__(
        self,
        batch: AnyBatch,
        keys: Key[Array, "b"] | None = None,
        *,
        train: bool = False,
    ) -> Outputs:
        make = self.settings
        paths = maps.paths(make, batch, train)
        motion = make.temporal_fusion("temporal_fusion")(paths)[:, None]
        grid = make.backbone.grid if paths.shape[1] == 1 else 0
        features = classifier.stream_features(motion, grid)
        logits = make.classifier("classifier")(features, keys)
        return Outputs(logits, None, {"temporal": motion.mean(axis=(1, 2, 3))})
