"""The picture that answers "what is this video?": where it looked, what it says."""

import io
import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from stpn_jax.viz import bars

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
    figure = Figure(figsize=(10, 4), layout="constrained")
    backend_agg.FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.imshow(image)
    left.set_axis_off()
    left.set_title(_shorten(title), loc="left", fontsize=10, parse_math=False)
    bars.draw(right, labels, probabilities)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # Drawn as a box, which is enough.
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _shorten(title: str) -> str:
    title = title.encode(errors="replace").decode()
    if len(title) <= TITLE_LENGTH:
        return title
    return title[: TITLE_LENGTH - 3] + "..."
