"""Spatiotemporal pyramid network for video action recognition (CVPR 2017) in JAX.

video files --video (decode, TV-L1)--> frames and flow --prepare--> records
  --input_pipeline (sampling, augmentation)--> Batch
  --models: two streams > temporal STCB > attention STCB > pyramid STCB
    > classifier--> Outputs
  --train--> checkpoints --evaluation--> scores --report--> a page of pictures
  --export--> artifact --inference--> predictions --predict, app, Classifier-->
    top-5 classes, attention
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stpn_jax.api import Classifier as Classifier


def __getattr__(name: str) -> Any:
    """`stpn_jax.Classifier`, which loads JAX only when it is asked for."""
    if name == "Classifier":
        from stpn_jax import api

        return api.Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
