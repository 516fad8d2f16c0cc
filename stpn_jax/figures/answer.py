"""The picture that answers "what is this video?": where it looked, what it says."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from stpn_jax.figures import bars, figures

TITLE_LENGTH = 60


def draw(
    title: str,
    labels: Sequence[str],
    probabilities: Sequence[float],
    image: UInt8[np.ndarray, "y x 3"],
) -> bytes:
    """The image on the left, bars of the classes on the right, as a PNG file.

    Args:
        title: written above the image, shortened where it is long.
        labels: class names, the most likely first.
        probabilities: their probabilities, from 0 to 1.
        image: RGB.
    """
    figure = figures.new(4.0, width=10.0)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.imshow(image)
    left.set_axis_off()
    title = figures.short(title, TITLE_LENGTH)
    left.set_title(title, loc="left", fontsize=10, parse_math=False)
    bars.draw(right, labels, probabilities)
    return figures.png(figure, dpi=120)
