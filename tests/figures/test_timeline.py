"""The timeline has a bar for each part, as wide as it is long."""

import io

import numpy as np
from matplotlib import image as reader

from stpn_jax.figures import timeline

PARTS = [
    (0.0, 30.0, "walk", 1.0),
    (30.0, 40.0, "$run_$", 1.0),
    (40.0, 60.0, "walk", 1.0),
]


def test_bars_are_as_wide_as_the_parts_are_long():
    picture = reader.imread(io.BytesIO(timeline.draw(PARTS)))[..., :3]
    first, second = (np.array(timeline._COLOURS(i)[:3]) for i in (0, 1))
    row = picture[int(picture.shape[0] * 0.6)]
    walk, run = (np.abs(row - colour).max(-1) < 0.02 for colour in (first, second))
    assert 4 < walk.sum() / run.sum() < 6
    assert np.flatnonzero(walk).min() < np.flatnonzero(run).min()
    assert np.flatnonzero(walk).max() > np.flatnonzero(run).max()
