"""Temporal level of the pyramid: the paths fused into one motion map (section 3.2)."""

from flax import linen as nn
from jaxtyping import Float

from stpn_jax.arrays import Array
from stpn_jax.config import FusionConfig
from stpn_jax.models import fusion


class TemporalFusion(nn.Module):
    """Fuses K paths at each location; a single path passes unchanged (Table 4)."""

    config: FusionConfig
    seed: tuple[int, ...]

    @nn.compact
    def __call__(self, paths: Float[Array, "b k y x c"]) -> Float[Array, "b y x d"]:
        if paths.shape[1] == 1:
            return paths[:, 0]
        pathways = [paths[:, k] for k in range(paths.shape[1])]
        return fusion.Fusion(self.config, self.seed, name="fusion")(pathways)
