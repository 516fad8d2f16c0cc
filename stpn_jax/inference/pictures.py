"""Pictures of a prediction: class bars, attention over the frames, flow as colours."""

from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Float, Int, UInt8

from stpn_jax.figures import images, prediction_figure
from stpn_jax.inference import video_sources
from stpn_jax.inference.predictions import Prediction


def draw(title: str, prediction: Prediction) -> bytes:
    """The most likely classes beside the frame with its attention, as a PNG file."""
    seen = prediction.attention
    image = images.overlay(seen.frame, seen.maps[seen.shown], seen.box)
    probabilities = prediction.probabilities.tolist()
    return prediction_figure.draw(title, prediction.labels, probabilities, image)


def flow(prediction: Prediction, bound: float) -> UInt8[np.ndarray, "y x 3"] | None:
    """The flow from the shown frame to the next, as colours; None without flow.

    The fastest tenth of the pixels is fully saturated.

    Args:
        prediction: for a video.
        bound: displacement in pixels of the largest code.
    """
    codes = prediction.attention.flow
    if codes is None:
        return None
    motion = codes.transpose(1, 2, 0).astype(np.float32) * (2 * bound / 255) - bound
    lengths = np.hypot(*np.moveaxis(motion, -1, 0))
    return images.flow_colours(motion, max(1.0, float(np.quantile(lengths, 0.9))))


def write_overlay(path: epath.PathLike, prediction: Prediction, given: Any) -> None:
    """Writes the given video, read again, with its attention as an .mp4 file."""
    seen = prediction.attention
    height, width = seen.frame.shape[:2]
    source = video_sources.open_source(given, prediction.rate)
    frames = video_sources.read(source, (width, height), limit=float("inf"))
    order = np.argsort(seen.centres, kind="stable")
    centres, maps = seen.centres[order], seen.maps[order]
    tinted = (
        images.overlay(frame, attention_at(position, centres, maps), seen.box)
        for position, frame in enumerate(frames)
    )
    images.write_video(path, tinted, prediction.rate)


def attention_at(
    position: int, centres: Int[np.ndarray, "n"], maps: Float[np.ndarray, "n h w"]
) -> Float[np.ndarray, "h w"]:
    """The attention at a frame, interpolated linearly between neighbouring snippets."""
    after = int(np.searchsorted(centres, position))
    if after in (0, len(centres)):
        return maps[min(after, len(maps) - 1)]
    before = after - 1
    share = (position - centres[before]) / (centres[after] - centres[before])
    return (1 - share) * maps[before] + share * maps[after]
