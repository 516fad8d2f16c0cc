"""Video files to frames, frames to flow codes: what prepare and inference share."""
