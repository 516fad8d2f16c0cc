"""From videos to an exported network's predictions, in bounded memory.

video_sources (a file or frames, in cells) --engine--> batches of samples, and the
network's results --predictions.Collector--> Prediction
"""
