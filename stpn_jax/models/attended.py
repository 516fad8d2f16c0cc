"""The image stream pooled by attention instead of averaging (Table 5)."""

from flax import linen as nn
from jaxtyping import Key

from stpn_jax.arrays import AnyBatch, Array, Outputs
from stpn_jax.models import maps
from stpn_jax.models.settings import Settings


class AttendedNetwork(nn.Module):
    """Motion decides where to look; the attended spatial feature alone is classified.

    Table 5 has one flow path, whose map is as wide as the image map.
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
        """Classifies snippets; arguments as SpatiotemporalPyramid's."""
        make = self.settings
        images = maps.images(make, batch, train)
        paths = maps.paths(make, batch, train)
        motion = make.temporal_fusion("temporal_fusion")(paths)
        weights, vectors = make.attention("attention")(images, motion)
        attended = vectors.mean(axis=1)
        logits = make.classifier("classifier")(attended[:, None], keys)
        features = {"spatial": images.mean(axis=(1, 2, 3)), "attended": attended}
        return Outputs(logits, weights.mean(axis=1), features)
