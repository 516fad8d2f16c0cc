"""The spatiotemporal pyramid network (Figure 2)."""

from flax import linen as nn
from jaxtyping import Key

from stpn_jax.arrays import AnyBatch, Array, Outputs
from stpn_jax.models import maps
from stpn_jax.models.settings import Settings


class SpatiotemporalPyramid(nn.Module):
    """Two streams, three levels of fusion, one loss.

    With `attention_from = "none"` the second level is left out (Table 6, B and C).
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
        """Classifies snippets.

        Several RGB frames are each attended with the snippet's one motion map; their
        pooled and attended vectors are averaged, then fused.

        Args:
            batch: raw snippets, or the maps that their streams made.
            keys: one dropout key per sample, or None to drop nothing.
            train: whether batch statistics are used and updated.
        """
        make = self.settings
        images = maps.images(make, batch, train)
        paths = maps.paths(make, batch, train)

        motion = make.temporal_fusion("temporal_fusion")(paths)
        features = {
            "spatial": images.mean(axis=(1, 2, 3)),
            "temporal": motion.mean(axis=(1, 2)),
        }
        weights = None
        if make.has_attention:
            grids, vectors = make.attention("attention")(images, motion)
            weights, features["attended"] = grids.mean(axis=1), vectors.mean(axis=1)

        fused = make.pyramid_fusion("pyramid_fusion")(
            features["spatial"], features["temporal"], features.get("attended")
        )
        logits = make.classifier("classifier")(fused[:, None], keys)
        return Outputs(logits, weights, features | {"fused": fused})
