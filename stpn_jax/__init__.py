"""Spatiotemporal pyramid network for video action recognition (CVPR 2017) in JAX.

video files --data.video--> frames --data.flow (ops.tvl1)--> frames and flow
    --data.records (builders)--> TFRecords
  --data.pipeline (sampling, augment)--> Batch
  --models: spatial + temporal streams > temporal STCB > attention STCB > pyramid STCB
    > classifier--> Outputs
  --train.loss, train.step--> TrainState --train.loop (stages)--> checkpoint
  --evaluation.protocol--> scores, tables --report--> a page of pictures
  --export--> artifact --predict--> top-5, bars, attention overlay
"""
