"""From videos to an exported network's predictions, in bounded memory.

video_sources (a file or frames, in cells) --samples--> batches of samples
  --engine--> the network's results --predictions--> Prediction
"""
