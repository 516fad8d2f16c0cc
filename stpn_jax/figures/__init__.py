"""Figures of predictions, attention, errors and training, without pyplot state."""
