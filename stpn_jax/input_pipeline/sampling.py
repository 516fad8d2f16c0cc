"""When and where a snippet is taken: its centre, the spacing of its paths, its crops.

Flow j of a clip leads from frame j to frame j + 1, so n frames have n - 1 flows. A
snippet of K paths (section 3.2) has its chunks centred on

    centre + (i - (K - 1) / 2) * tau,   i = 0 .. K - 1,

and a chunk holds L consecutive flows, L / 2 before its centre and L / 2 after it. A
clip too short for that gets the largest tau that fits, and then repeats its edge flows.

One crop serves all frames and flows of a snippet. It only says whether to mirror: the
accelerator does so, and changes the sign of the horizontal flow.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from stpn_jax import config
from stpn_jax.arrays import Array
from stpn_jax.utils import errors


@dataclasses.dataclass(frozen=True)
class SnippetShape:
    """Extent of a snippet.

    Attributes:
        frames: f, RGB frames; 0 for a flow-only network.
        paths: K, temporal paths; 0 for an RGB-only network.
        flow_length: L, consecutive flows of one path.
        tau: smallest and largest spacing of the paths' centres, in frames.
    """

    frames: int
    paths: int
    flow_length: int
    tau: tuple[int, int]

    def __post_init__(self) -> None:
        """Raises: UsageError for a shape that no clip can hold."""
        low, high = self.tau
        if not 1 <= low <= high:
            raise errors.UsageError(
                f"data.tau = {self.tau}: expected 1 <= smallest <= largest"
            )
        if self.flow_length < 1 or min(self.frames, self.paths) < 0:
            raise errors.UsageError(
                f"{self}: expected flow_length of 1 or more, the others 0 or more"
            )


class SamplingPosition(NamedTuple):
    """When in which clip a snippet is taken; tau is cut to what the clip allows."""

    video: int
    centre: int
    tau: int


def offsets(count: int, tau: int) -> Int[np.ndarray, "k"]:
    """Centres of `count` paths or frames relative to the snippet's centre."""
    return (2 * np.arange(count) - (count - 1)) * tau // 2


def fitting_tau(tau: int, shape: SnippetShape, num_flows: int) -> int:
    """The largest spacing up to tau with which the snippet fits, but at least 1."""
    room = [tau]
    if shape.paths > 1:
        room.append((num_flows - shape.flow_length) // (shape.paths - 1))
    if shape.frames > 1:
        room.append(num_flows // (shape.frames - 1))
    return max(1, min(room))


def centre_range(tau: int, shape: SnippetShape, num_flows: int) -> tuple[int, int]:
    """First and last centre with which the snippet fits into the clip.

    Where none does, both are the centre at which the overhang is shared evenly.
    """
    before, after = [0], [num_flows]
    if shape.paths:
        starts = offsets(shape.paths, tau) - shape.flow_length // 2
        before.append(-starts[0])
        after.append(num_flows - shape.flow_length - starts[-1])
    if shape.frames:
        centres = offsets(shape.frames, tau)
        before.append(-centres[0])
        after.append(num_flows - centres[-1])
    low, high = int(max(before)), int(min(after))
    if low > high:
        low = high = min(max((low + high) // 2, 0), num_flows)
    return low, high


def flow_indices(
    centre: int, tau: int, shape: SnippetShape, num_flows: int
) -> Int[np.ndarray, "k t"]:
    """Indices of the L flows of each of the K paths, around a centre frame.

    Indices beyond the clip repeat its edge. A clip has at least one flow.
    """
    tau = fitting_tau(tau, shape, num_flows)
    starts = centre + offsets(shape.paths, tau) - shape.flow_length // 2
    indices = starts[:, None] + np.arange(shape.flow_length)
    return np.clip(indices, 0, num_flows - 1)


def frame_indices(
    centre: int, tau: int, shape: SnippetShape, num_frames: int
) -> Int[np.ndarray, "f"]:
    """Indices of the f RGB frames: the centre, or with f = K the paths' centres.

    Indices beyond the clip repeat its edge.
    """
    tau = fitting_tau(tau, shape, num_frames - 1)
    return np.clip(centre + offsets(shape.frames, tau), 0, num_frames - 1)


class Plan(NamedTuple):
    """What one snippet reads of a clip.

    Paths overlap where tau is below L; each flow is needed once all the same.

    Attributes:
        centre: index of its centre frame.
        frames: indices of its RGB frames.
        flows: indices of the flows that it needs, increasing.
        planes: the plane of each channel, x and y in turn, of each path, where the
            planes of the needed flows are numbered x, y, x, y ...
    """

    centre: int
    frames: Int[np.ndarray, "f"]
    flows: Int[np.ndarray, "n"]
    planes: Int[np.ndarray, "k c"]

    def flow_stacks(self, codes: UInt8[Array, "n 2 y x"]) -> UInt8[Array, "k c y x"]:
        """The stacks, from the codes of the needed flows; also when traced by JAX."""
        return codes.reshape(-1, *codes.shape[2:])[self.planes]


def plan(position: SamplingPosition, shape: SnippetShape, num_frames: int) -> Plan:
    """What the snippet at a position reads of a clip of so many frames."""
    _, centre, tau = position
    indices = flow_indices(centre, tau, shape, num_frames - 1)
    needed, places = np.unique(indices, return_inverse=True)
    planes = 2 * places.reshape(*indices.shape, 1) + np.arange(2)
    return Plan(
        centre,
        frame_indices(centre, tau, shape, num_frames),
        needed,
        planes.reshape(shape.paths, 2 * shape.flow_length),
    )


def train_position(
    rng: np.random.Generator, video: int, num_frames: int, shape: SnippetShape
) -> SamplingPosition:
    """Samples tau and then a centre, both uniform over what fits into the clip."""
    return _position(rng, video, num_frames, shape, rng.random())


def test_positions(
    video: int,
    num_frames: int,
    shape: SnippetShape,
    snippets: int,
    centres: Literal["random", "even"],
    seed: int,
) -> list[SamplingPosition]:
    """The snippets of one clip in testing (section 4.7), seeded by (seed, video).

    Networks of other shapes get the same taus (before they are cut) at the same shares
    of their own range of centres; `even` centres are equal steps over that range.
    """
    rng = np.random.default_rng([seed, video])
    shares = rng.random(snippets)
    if centres == "even":
        shares = (np.arange(snippets) + 0.5) / snippets
    return [_position(rng, video, num_frames, shape, share) for share in shares]


def _position(
    rng: np.random.Generator,
    video: int,
    num_frames: int,
    shape: SnippetShape,
    share: float,
) -> SamplingPosition:
    tau = int(rng.integers(shape.tau[0], shape.tau[1] + 1))
    tau = fitting_tau(tau, shape, num_frames - 1)
    low, high = centre_range(tau, shape, num_frames - 1)
    return SamplingPosition(video, low + int(share * (high - low + 1)), tau)


def flows_needed(shape: SnippetShape, tau: int) -> int:
    """The fewest flows of a clip that holds the snippet with this tau."""
    paths = (shape.paths - 1) * tau + shape.flow_length if shape.paths else 0
    return max(paths, (shape.frames - 1) * tau)


def too_short(num_frames: Sequence[int], shape: SnippetShape) -> int:
    """How many clips cannot hold the snippet with its largest tau."""
    needed = flows_needed(shape, shape.tau[1])
    return sum(frames - 1 < needed for frames in num_frames)


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
    every = itertools.product(range(len(sides)), repeat=2)
    pairs = [(i, j) for i, j in every if abs(i - j) <= settings.max_distort]
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
            f"test crops of {crop_side} pixels do not fit into the records' frames of "
            f"{size[0]}x{size[1]}: choose a smaller data.test_crop (data.input_size if "
            "that is 0), or prepare larger frames"
        )
    corners = [(y, x) for y in (0, room_y) for x in (0, room_x)] if count == 10 else []
    places = [*corners, (room_y // 2, room_x // 2)]
    mirrored = (False,) if count == 1 else (False, True)
    return [
        Crop(y, x, y + crop_side, x + crop_side, flip)
        for flip in mirrored
        for y, x in places
    ]
