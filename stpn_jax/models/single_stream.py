"""The two baselines: one stream, average pooling, one classifier (Table 2, Table 4)."""

from flax import linen as nn
from jaxtyping import Key

from stpn_jax.arrays import Array, Batch, Outputs
from stpn_jax.models import inputs
from stpn_jax.models.settings import Settings


class SpatialNetwork(nn.Module):
    """Spatial stream alone; the pooled features of several frames are averaged."""

    settings: Settings

    @nn.compact
    def __call__(
        self, batch: Batch, keys: Key[Array, "b"] | None = None, *, train: bool = False
    ) -> Outputs:
        maps = self.settings.stream("spatial")(
            inputs.rgb(batch, *self.settings.view, self.settings.backbone.rgb), train
        )
        pooled = maps.mean(axis=(1, 2, 3))
        logits = self.settings.classifier("classifier")(pooled, keys)
        return Outputs(logits, None, {"spatial": pooled})


class TemporalNetwork(nn.Module):
    """Temporal stream alone: one path, or K paths and their fusion."""

    settings: Settings

    @nn.compact
    def __call__(
        self, batch: Batch, keys: Key[Array, "b"] | None = None, *, train: bool = False
    ) -> Outputs:
        maps = self.settings.stream("temporal")(
            inputs.flow(batch, *self.settings.view, self.settings.backbone.flow), train
        )
        motion = self.settings.temporal_fusion("temporal_fusion")(maps)
        pooled = motion.mean(axis=(1, 2))
        logits = self.settings.classifier("classifier")(pooled, keys)
        return Outputs(logits, None, {"temporal": pooled})
