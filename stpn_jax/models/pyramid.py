"""Top level of the pyramid: three vectors into one (section 3.4)."""

from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.config import FusionConfig
from stpn_jax.models import fusion


class PyramidFusion(nn.Module):
    """Fuses the pooled spatial, pooled temporal and attended spatial features."""

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(
        self,
        spatial: Float[Array, "b c"],
        temporal: Float[Array, "b d"],
        attended: Float[Array, "b c"],
    ) -> Float[Array, "b _"]:
        pathways = [spatial, temporal, attended]
        return fusion.Fusion(self.config, self.seed, name="fusion")(pathways)
