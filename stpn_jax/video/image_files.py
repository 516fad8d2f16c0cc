"""Image files into pixels, by OpenCV."""

import cv2
import numpy as np


def decode(file: bytes, mode: int) -> np.ndarray:
    """The pixels of an image file in a mode of cv2.imdecode; empty if it is damaged."""
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), mode)
    except cv2.error:
        pixels = None
    return np.empty((0, 0), np.uint8) if pixels is None else pixels
