"""Images side by side in one, with white between them."""

import math

import numpy as np
from jaxtyping import UInt8

GAP = 2
"""Pixels between two images."""


def grid(
    images: UInt8[np.ndarray, "n y x 3"], columns: int
) -> UInt8[np.ndarray, "rows cols 3"]:
    """Images in reading order, white where the last row has none."""
    count, height, width, _ = images.shape
    rows = math.ceil(count / columns)
    step_y, step_x = height + GAP, width + GAP
    sheet = np.full((rows * step_y - GAP, columns * step_x - GAP, 3), 255, np.uint8)
    for index, image in enumerate(images):
        y, x = index // columns * step_y, index % columns * step_x
        sheet[y : y + height, x : x + width] = image
    return sheet
