"""Top level of the pyramid: three vectors into one (section 3.4)."""

from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.config import FusionConfig
from stpn_jax.models import fusion


class PyramidFusion(nn.Module):
    """Fuses the pooled spatial, the pooled temporal and the attended features.

    Without an attention level there are only the first two (Table 3; Table 6, B and C).
    """

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(
        self,
        spatial: Float[Array, "b c"],
        temporal: Float[Array, "b d"],
        attended: Float[Array, "b c"] | None,
    ) -> Float[Array, "b _"]:
        pathways = [spatial, temporal]
        if attended is not None:
            pathways.append(attended)
        return fusion.Fusion(self.config, self.seed, name="fusion")(pathways)
