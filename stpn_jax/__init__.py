"""Spatiotemporal pyramid network for video action recognition (CVPR 2017) in JAX.

video files --data.video--> frames --data.flow (ops.tvl1)--> frames and flow
    --data.records (builders)--> TFRecords
  --data.pipeline (sampling, augment)--> Batch
  --models: spatial + temporal streams > temporal STCB > attention STCB > pyramid STCB
    > classifier--> Outputs
  --train.loss, train.step--> TrainState --train.loop (stages)--> checkpoint
  --evaluation.protocol--> scores, tables --report--> a page of pictures
  --export--> artifact --inference--> Prediction --api, predict, app--> top-5, attention
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
