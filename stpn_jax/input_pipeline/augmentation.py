"""Where a snippet is cropped: TSN's scale-jittered training crops, and test crops.

One crop serves all frames and flows of a snippet. It only says whether to mirror: the
accelerator does so, and changes the sign of the horizontal flow.
"""

import itertools
from typing import Literal, NamedTuple

import numpy as np

from stpn_jax import config
from stpn_jax.utils import errors


class Crop(NamedTuple):
    """A crop in pixels of the record's frame, and whether it is mirrored."""

    y0: int
    x0: int
    y1: int
    x1: int
    flip: bool


def crop_sides(settings: config.DataConfig) -> tuple[int, ...]:
    """Sides a training crop may have, in pixels: crop_size times each of its scales."""
    return tuple(int(settings.crop_size * scale) for scale in settings.crop_scales)


def train_crop(
    rng: np.random.Generator, size: tuple[int, int], settings: config.DataConfig
) -> Crop:
    """Samples sides, position and mirroring of a training crop (TSN's recipe).

    Height and width are two of the crop_sides at most max_distort apart in their list;
    the position is one of the 13 of `fixed_positions`, or uniform.

    Raises:
        UsageError: a crop is larger than frames of `size` (width, height), or none is
            given.
    """
    sides = crop_sides(settings)
    if not sides or min(sides) < 1 or max(sides) > min(size):
        raise errors.UsageError(
            f"data.crop_size = {settings.crop_size} with crop_scales = "
            f"{settings.crop_scales} gives crops of {sides} pixels: expected 1 to "
            f"{min(size)} for frames of {size[0]}x{size[1]}"
        )
    pairs = [
        (i, j)
        for i, j in itertools.product(range(len(sides)), repeat=2)
        if abs(i - j) <= settings.max_distort
    ]
    i, j = pairs[rng.integers(len(pairs))]
    room_y, room_x = size[1] - sides[i], size[0] - sides[j]
    if settings.corner_crops:
        places = fixed_positions(room_y, room_x)
        y, x = places[rng.integers(len(places))]
    else:
        y, x = (int(rng.integers(room + 1)) for room in (room_y, room_x))
    flip = settings.flip and bool(rng.integers(2))
    return Crop(y, x, y + sides[i], x + sides[j], flip)


def fixed_positions(room_y: int, room_x: int) -> list[tuple[int, int]]:
    """TSN's 13 crop positions (y, x): more_fix_crop of yjxiong/caffe.

    They are a grid of quarter steps: corners, centre, middles of the edges, and the
    middles between centre and corners. The room is the frame's side less the crop's.
    """
    y, x = room_y // 4, room_x // 4
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    edges = [(2, 0), (2, 4), (4, 2), (0, 2)]
    quarters = [(1, 1), (1, 3), (3, 1), (3, 3)]
    return [(i * y, j * x) for i, j in corners + edges + quarters]


def test_crops(
    size: tuple[int, int], crop_side: int, count: Literal[1, 2, 10]
) -> list[Crop]:
    """Square crops of frames of a size (section 4.7, after the two-stream method).

    10 are the four corners and the centre, then the same mirrored; 2 the centre and its
    mirror image; 1 the centre.
    """
    room_y, room_x = size[1] - crop_side, size[0] - crop_side
    if min(room_y, room_x) < 0:
        raise errors.UsageError(
            f"data.input_size = {crop_side} does not fit into the records' frames of "
            f"{size[0]}x{size[1]}: choose a smaller one or prepare larger frames"
        )
    places = [(room_y // 2, room_x // 2)]
    if count == 10:
        places = [(y, x) for y in (0, room_y) for x in (0, room_x)] + places
    mirrored = (False,) if count == 1 else (False, True)
    return [
        Crop(y, x, y + crop_side, x + crop_side, flip)
        for flip in mirrored
        for y, x in places
    ]
