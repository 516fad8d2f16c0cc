"""An answer to look at: bars beside the attention, and the attention over the video."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Float, Int, UInt8

from stpn_jax.figures import answer as drawing
from stpn_jax.figures import film, flow_wheel, overlay
from stpn_jax.inference import video_sources
from stpn_jax.inference.predictions import Attention, Prediction


def draw(title: str, answer: Prediction) -> bytes:
    """The most likely classes beside the frame with its attention, as a PNG file."""
    return drawing.draw(
        title, answer.labels, answer.probabilities.tolist(), overlaid(answer)
    )


def overlaid(answer: Prediction) -> UInt8[np.ndarray, "y x 3"]:
    """The frame that was looked at, tinted by its attention."""
    seen = answer.attention
    return overlay.blend(seen.frame, seen.maps[seen.shown], seen.box)


def flow(answer: Prediction, bound: float) -> UInt8[np.ndarray, "y x 3"] | None:
    """The flow from the frame that was looked at to the next, as colours.

    Args:
        answer: for a video.
        bound: displacement in pixels of the largest code.

    Returns:
        The fastest tenth of the pixels has the full colour; None without flow.
    """
    codes = answer.attention.flow
    if codes is None:
        return None
    motion = codes.transpose(1, 2, 0).astype(np.float32) * (2 * bound / 255) - bound
    lengths = np.hypot(*np.moveaxis(motion, -1, 0))
    return flow_wheel.colours(motion, max(1.0, float(np.quantile(lengths, 0.9))))


def write_overlay(path: epath.PathLike, answer: Prediction, given: Any) -> None:
    """Writes the whole video with its attention as an .mp4 file.

    Args:
        path: of the file.
        answer: for this video.
        given: the video, which is read again.
    """
    height, width = answer.attention.frame.shape[:2]
    found = video_sources.open_source(given, answer.rate)
    frames = video_sources.read(found, (width, height), limit=float("inf"))
    film.write(path, _tinted(frames, answer.attention), answer.rate)


def _tinted(
    frames: Iterator[UInt8[np.ndarray, "y x 3"]], seen: Attention
) -> Iterator[UInt8[np.ndarray, "y x 3"]]:
    order = np.argsort(seen.centres, kind="stable")
    centres, maps = seen.centres[order], seen.maps[order]
    for position, frame in enumerate(frames):
        yield overlay.blend(frame, at(position, centres, maps), seen.box)


def at(
    position: int, centres: Int[np.ndarray, "n"], maps: Float[np.ndarray, "n h w"]
) -> Float[np.ndarray, "h w"]:
    """The attention at a frame, linear between those of its neighbouring snippets."""
    after = int(np.searchsorted(centres, position))
    if after in (0, len(centres)):
        return maps[min(after, len(maps) - 1)]
    before = after - 1
    share = (position - centres[before]) / (centres[after] - centres[before])
    return (1 - share) * maps[before] + share * maps[after]
