"""Images beside each other keep their pixels."""

import numpy as np

from stpn_jax.figures import strips


def test_images_stand_in_reading_order_with_white_between():
    images = np.arange(3, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(images, (3, 4, 5, 3))
    sheet = strips.grid(images, 2)
    assert sheet.shape == (4 + 2 + 4, 5 + 2 + 5, 3)
    assert (sheet[:4, :5] == 0).all() and (sheet[:4, 7:] == 1).all()
    assert (sheet[6:, :5] == 2).all() and (sheet[6:, 7:] == 255).all()
    assert (sheet[4:6] == 255).all() and (sheet[:, 5:7] == 255).all()
