"""From videos to an exported network's answers, in bounded memory.

source (a file or frames) --cells--> pieces of it --snippets--> program arguments
  --batches--> the network --answer, timeline--> Answer
"""
