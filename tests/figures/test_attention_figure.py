"""Attention figure: tints, boxes and arrows are in the right places."""

import numpy as np
import pytest
from matplotlib.quiver import Quiver
from reference import legible

from stpn_jax.figures import attention_figure, images


def clip(title="wave", size=(72, 96), moves=True, boxes=()):
    height, width = size
    attention = np.zeros((4, 4))
    attention[0, 3] = 1
    flow = np.zeros((height, width, 2))
    if moves:
        flow[: height // 2, :, 0] = 3.0
    frame = np.full((*size, 3), 90, np.uint8)
    crop = (4, 16, 68, 80) if size == (72, 96) else (0, 0, height, width)
    return attention_figure.Clip(title, "clip", frame, attention, crop, flow, boxes)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 14])
@pytest.mark.parametrize("size", [(72, 96), (256, 340), (72, 72)])
def test_legible_for_any_number_of_clips(count, size):
    names = [(legible.NAMES * 2)[i] for i in range(count)]
    legible.check(attention_figure.draw([clip(name, size) for name in names], 3.0))


def test_tint_box_and_arrows_are_in_their_own_image():
    figure = attention_figure.draw([clip(boxes=[(0.25, 0.5, 0.75, 1.0)])], limit=3.0)
    axes = figure.axes[0]
    step = 96 + images.GAP
    sheet = np.asarray(axes.images[0].get_array()).astype(int)
    bright = np.argwhere(sheet[:, step : step + 96].sum(-1) > 350)
    y, x = bright.mean(axis=0)
    assert 4 <= y < 20 and 64 <= x < 80
    (box,) = axes.patches
    assert box.get_xy() == (step + 47.5, 17.5)
    assert (box.get_width(), box.get_height()) == (48, 36)
    (arrows,) = (one for one in axes.collections if isinstance(one, Quiver))
    assert (2 * step <= arrows.X).all() and (arrows.Y < 36).all()
    assert (arrows.U > 0).all() and not arrows.V.any()


def test_clip_without_motion_is_labelled():
    figure = attention_figure.draw([clip(moves=False)], limit=3.0)
    assert [text.get_text() for text in figure.axes[0].texts] == ["hardly any motion"]
    legible.check(figure)
