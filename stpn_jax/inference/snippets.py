"""The snippets of a piece of video in all their views, as programs take them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from stpn_jax.export import contract
from stpn_jax.input_pipeline import augmentation, sampling
from stpn_jax.ops import tvl1
from stpn_jax.video import decoding, flow_codec

Flows = dict[int, UInt8[np.ndarray, "2 y x"]]


class Sample(NamedTuple):
    """One snippet in one view.

    Attributes:
        rgb: cropped frames.
        flow: cropped flow codes.
        flip: whether it is mirrored.
    """

    rgb: UInt8[np.ndarray, "f 3 y x"]
    flow: UInt8[np.ndarray, "k c y x"]
    flip: bool


def moments(
    settings: contract.Preprocessing, num_frames: int, count: int
) -> list[sampling.Moment]:
    """When to look: evenly over the piece (section 4.7).

    Raises:
        VideoError: a single frame, of which flow is asked.
    """
    if settings.paths and num_frames < 2:
        raise decoding.VideoError("a single frame has no motion; expected 2 or more")
    return sampling.test_moments(
        0, num_frames, shape(settings), count, "even", settings.seed
    )


def views(settings: contract.Preprocessing) -> list[augmentation.View]:
    """Where to look."""
    return augmentation.test_views(settings.size, settings.input_size, settings.views)


def central(settings: contract.Preprocessing) -> int:
    """The view nearest to the centre of the frame that is not mirrored."""
    found, (width, height) = views(settings), settings.size

    def distance(i: int) -> tuple[bool, int]:
        v = found[i]
        return v.flip, abs(v.x0 + v.x1 - width) + abs(v.y0 + v.y1 - height)

    return min(range(len(found)), key=distance)


def needed_flows(
    settings: contract.Preprocessing,
    chosen: Sequence[sampling.Moment],
    frames: UInt8[np.ndarray, "t y x 3"],
) -> Flows:
    """The flows that the snippets read, x then y, by position; no others are computed.

    Args:
        settings: of the network.
        chosen: the snippets.
        frames: all frames of the piece.
    """
    needed = needed_positions(settings, chosen, len(frames))
    parameters = tvl1.Parameters(**settings.flow)
    flows: Flows = {}
    for part in np.split(needed, np.flatnonzero(np.diff(needed) > 1) + 1):
        if len(part):
            consecutive = frames[part[0] : part[-1] + 2]
            codes = flow_codec.compute(consecutive, parameters, settings.bound)
            flows |= zip(part.tolist(), codes.transpose(0, 3, 1, 2), strict=True)
    return flows


def needed_positions(
    settings: contract.Preprocessing, chosen: Sequence[sampling.Moment], num_frames: int
) -> Int[np.ndarray, "t"]:
    """The flows that the snippets read, each once, in order."""
    positions = [_flow_positions(settings, m, num_frames) for m in chosen]
    return np.unique(np.concatenate(positions))


def samples(
    settings: contract.Preprocessing,
    moment: sampling.Moment,
    frames: UInt8[np.ndarray, "t y x 3"],
    flows: Flows,
) -> Iterator[Sample]:
    """One snippet in all its views, in their order."""
    width, height = settings.size
    shown = sampling.frame_positions(
        moment.centre, moment.tau, shape(settings), len(frames)
    )
    rgb = frames[shown].transpose(0, 3, 1, 2)
    motion = np.zeros((0, 2 * settings.flow_length, height, width), np.uint8)
    if settings.paths:
        paths = _flow_positions(settings, moment, len(frames))
        motion = np.stack([np.concatenate([flows[int(p)] for p in c]) for c in paths])
    for y0, x0, y1, x1, flip in views(settings):
        crop = (..., slice(y0, y1), slice(x0, x1))
        yield Sample(rgb[crop], motion[crop], flip)


def shape(settings: contract.Preprocessing) -> sampling.SnippetShape:
    """Extent of a snippet."""
    return sampling.SnippetShape(
        settings.frames, settings.paths, settings.flow_length, settings.tau
    )


def _flow_positions(
    settings: contract.Preprocessing, moment: sampling.Moment, num_frames: int
) -> Int[np.ndarray, "k t"]:
    return sampling.flow_positions(
        moment.centre, moment.tau, shape(settings), num_frames - 1
    )
