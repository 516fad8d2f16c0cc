"""The contact sheet shows every image of every clip."""

import io

import numpy as np
import pytest
from matplotlib import image as reader

from stpn_jax.figures import contact_sheet, style


def test_every_image_is_drawn():
    def row(colour, flow):
        frames = np.full((3, 40, 60, 3), colour, np.uint8)
        return contact_sheet.Row(
            "a $class_", ("train", "12 frames"), frames, np.full_like(frames, flow)
        )

    rows = [row((200, 10, 10), (10, 200, 10)), row((10, 10, 200), (200, 200, 10))]
    file = contact_sheet.draw("set", rows, limit=2.0)
    picture = np.round(reader.imread(io.BytesIO(file), format="png")[..., :3] * 255)
    sizes = []
    for colour in ((200, 10, 10), (10, 200, 10), (10, 10, 200), (200, 200, 10)):
        sizes.append((np.abs(picture - colour).max(-1) < 8).sum())
    assert min(sizes) > 5000
    assert max(sizes) < 1.1 * min(sizes)


@pytest.mark.parametrize("size", [(72, 72), (128, 170)])
def test_long_text_stays_off_the_images(size, monkeypatch):
    """The column of text is white beside the images, whatever the class is called."""
    drawn = []

    def keep(figure, buffer, **options):
        drawn.append(figure)

    monkeypatch.setattr(style.Figure, "savefig", keep)
    frames = np.zeros((5, *size, 3), np.uint8)
    row = contact_sheet.Row("m" * 40, ("m" * 36 + ".avi",), frames, frames)
    contact_sheet.draw("set", [row], 2.0)
    (figure,) = drawn
    text, image = figure.axes[2:]
    figure.canvas.draw()
    right = max(one.get_window_extent().x1 for one in text.texts)
    assert right <= image.images[0].get_window_extent().x0
