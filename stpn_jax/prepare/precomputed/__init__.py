"""Frames and flow that another program extracted."""
