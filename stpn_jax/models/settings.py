"""What every network is built from: the config, resolved against the tables."""

import dataclasses

import jax.numpy as jnp

from stpn_jax.config import ModelConfig, StageConfig
from stpn_jax.models import attention, backbones, classifier, pyramid, streams, temporal
from stpn_jax.utils.errors import UsageError

# The levels draw their sketches from (seed, level, pathway): all distinct.
TEMPORAL_LEVEL, ATTENTION_LEVEL, PYRAMID_LEVEL = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Settings:
    """Makes the parts of a network, each under the name its parameters are saved by.

    Attributes:
        model: the network's config.
        classes: number of classes.
        input_size: side of the network's input, in pixels.
        resize: whether crops differ in size from the input.
        batch_norm: frozen, first or trained.
        dropout: rate before the classifier.
        axis_name: mapped axis of the replicas, or None.
        remat: what the backward pass computes again: none, norms or blocks.
    """

    model: ModelConfig
    classes: int
    input_size: int
    resize: bool
    batch_norm: str
    dropout: float
    axis_name: str | None
    remat: str

    @property
    def backbone(self) -> backbones.Backbone:
        """The table row of the backbone."""
        name = self.model.backbone
        if name not in backbones.BACKBONES:
            known = ", ".join(backbones.BACKBONES)
            raise UsageError(f"model.backbone = {name!r}: expected one of {known}")
        return backbones.BACKBONES[name]

    @property
    def view(self) -> tuple[int, bool]:
        """Arguments of models.inputs: size, resize."""
        return self.input_size, self.resize

    def stream(self, name: str) -> streams.Stream:
        """The spatial or the temporal stream."""
        return streams.Stream(
            self.backbone.module,
            self.batch_norm,
            self.axis_name if self.model.sync_batch_norm else None,
            jnp.dtype(self.model.dtype),
            self.remat,
            name=name,
        )

    def temporal_fusion(self, name: str) -> temporal.TemporalFusion:
        """The first level of the pyramid."""
        return temporal.TemporalFusion(
            self.model.temporal, self._seed(TEMPORAL_LEVEL), name=name
        )

    @property
    def has_attention(self) -> bool:
        """Whether the pyramid has its second level."""
        return self.model.attention_from != "none"

    def attention(self, name: str) -> attention.SpatiotemporalAttention:
        """The second level of the pyramid."""
        return attention.SpatiotemporalAttention(
            self.model.attention,
            self.model.attention_from,
            self.model.attention_hidden,
            self.model.attention_activation,
            self._seed(ATTENTION_LEVEL),
            name=name,
        )

    def pyramid_fusion(self, name: str) -> pyramid.PyramidFusion:
        """The third level of the pyramid."""
        return pyramid.PyramidFusion(
            self.model.pyramid, self._seed(PYRAMID_LEVEL), name=name
        )

    def classifier(self, name: str) -> classifier.Classifier:
        """The backbone's hidden layers, if any, dropout and the linear classifier."""
        return classifier.Classifier(
            self.classes, self.dropout, self.backbone.hidden, name=name
        )

    def _seed(self, level: int) -> tuple[int, ...]:
        return (self.model.sketch_seed, level)


def from_config(
    model: ModelConfig,
    stage: StageConfig,
    *,
    classes: int,
    input_size: int,
    resize: bool,
    axis_name: str | None,
    remat: str = "none",
) -> Settings:
    """Settings of the network that a stage trains."""
    return Settings(
        model,
        classes,
        input_size,
        resize,
        stage.batch_norm,
        stage.dropout,
        axis_name,
        remat,
    )
