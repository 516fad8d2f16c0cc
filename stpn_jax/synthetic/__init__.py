"""The demo's synthetic videos, whose classes need each component of the network."""
