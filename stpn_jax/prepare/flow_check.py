"""Checks flow codes against the frames: axes, signs, bound, and frame numbering.

Flow leads from each frame to the next, so the next frame warped back by the flow
resembles the frame. Other readings of the same codes (axes swapped, another sign,
another bound) are tried as well: if one fits better, the flow is wrong.

Flow of other programs is checked before it is used. Programs differ in the frame that
has the number of a flow, in the bound, even in the axes, and a wrong guess raises no
error but costs accuracy.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from stpn_jax.prepare import clips, encoding
from stpn_jax.prepare.precomputed import extracted
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import decoding, flow_codec, imaging

AS_STORED = "the flow as stored"
_POSITIONS = 5  # sampling positions in a clip
_NO_FLOW = np.zeros((2, 2))
_READINGS = {
    AS_STORED: np.eye(2),
    "x and y swapped": np.array([[0, 1], [1, 0]]),
    "the opposite sign": -np.eye(2),
    "the opposite sign of x": np.diag([-1, 1]),
    "the opposite sign of y": np.diag([1, -1]),
    "half the bound": 0.5 * np.eye(2),
    "twice the bound": 2 * np.eye(2),
}
_MOVING = 0.5  # pixels: below, quantisation and noise are most of the change
_FEW = 0.002  # share of moving pixels below which they are noise
_BETTER = 0.05  # share of the change that another reading must explain in addition
_REST = (127, 128)
_LIMITS = (1, 254)  # JPEG moves the ends of the range by one

_CLIPS = 16  # of another program that are checked
_TRIES = 64  # clips that may be unusable before the check gives up
_FRAMES = 64  # of a clip, from its start
_BETTER_SIDE = 0.03  # as _BETTER, for another numbering
_SIDES = (extracted.FROM, extracted.INTO)


class Sample(NamedTuple):
    """Sampling positions of a clip: RGB frames and the quantised flow between them."""

    frames: UInt8[np.ndarray, "t y x 3"]
    following: UInt8[np.ndarray, "t y x 3"]
    codes: UInt8[np.ndarray, "t y x 2"]


class Measures(NamedTuple):
    """Statistics of the flow of some samples."""

    length: float  # mean displacement in pixels
    saturated: float  # share of codes at an end of their range
    still: float  # share of flow images without any motion
    moving: float  # share of pixels that move by more than half a pixel
    explained: dict[str, float]
    """Reading -> share of the change between frames that it explains, where something
    moves; NaN where nothing does."""

    @property
    def is_still(self) -> bool:
        """So few pixels move that they may be noise."""
        return self.moving < _FEW

    @property
    def explanation(self) -> str:
        """How well the flow explains the change between frames, in words."""
        if self.is_still:
            return "hardly anything moves"
        return f"flow explains {self.explained[AS_STORED]:.0%} of the change"

    def __str__(self) -> str:
        return (
            f"mean displacement {self.length:.2f} pixels, {self.saturated:.1%} of the "
            f"codes saturated, {self.still:.1%} of the flow without motion; "
            f"{self.explanation}"
        )

    def misfits(self) -> Iterator[str]:
        """The reading that fits the frames better than the flow as stored, if any."""
        own = self.explained[AS_STORED]
        best = max(self.explained, key=lambda reading: self.explained[reading])
        if self.explained[best] > max(own, 0) + _BETTER:
            yield (
                f"the flow fits the frames better with {best} "
                f"({self.explained[best]:.0%} of their change explained, {own:.0%} as "
                "stored)"
            )
        elif own < _BETTER:
            yield f"the flow explains {own:.0%} of the change between frames"


def positions(first: int, last: int) -> Int[np.ndarray, "t"]:
    """Sampling positions evenly over a range of frames; a short one repeats some."""
    return np.linspace(first, last, _POSITIONS).round().astype(int)


def measure(samples: Iterable[Sample], bound: float) -> Measures:
    """Statistics of the flow of one sample or more, of which one is held in memory."""
    shares, left = [], np.zeros(1 + len(_READINGS))
    for sample in samples:
        motion = np.asarray(flow_codec.dequantise(sample.codes, bound))
        shares.append(_shares(sample.codes, motion))
        left += _left(sample, motion)
    parts = 1 - left[1:] / left[0] if left[0] else np.full(len(_READINGS), np.nan)
    explained = dict(zip(_READINGS, parts.tolist(), strict=True))
    length, saturated, still, moving = np.mean(shares, axis=0).tolist()
    return Measures(length, saturated, still, moving, explained)


def check(
    tasks: Sequence[clips.Task], settings: encoding.Settings
) -> tuple[list[str], list[str]]:
    """Measures how well the flow of another program fits, and what would fit better.

    Returns:
        lines on what was measured in some clips, and warnings.

    Raises:
        UsageError: there are as many flows as frames and settings.leads is empty, or
            one flow less and settings.leads is given.
    """
    read, reason = _read_some(tasks, settings)
    equal = [clip for clip in read if clip.has_flow_for_each_frame]
    lines: list[str] = []
    warnings: list[str] = []
    if equal and 2 * len(equal) < len(read):
        lines.append(
            f"{len(equal)} of {len(read)} clips have as many flows as frames, others "
            "one less"
        )
    elif equal:
        line, is_wrong = _compare_sides(equal, settings)
        (warnings if is_wrong else lines).append(line)
    if settings.leads and read and not equal:
        raise UsageError(
            f"--flow_leads={settings.leads} is for as many flows as frames; the "
            f"{len(read)} clips that were checked have one flow less: leave it out"
        )
    fitting = [c for c in read if c.has_flow_for_each_frame == bool(settings.leads)]
    if fitting:
        measures = _measure(fitting, settings, settings.leads)
        lines.append(f"in {len(fitting)} clips: {measures}")
        warnings += [*measures.misfits(), *_shifted(fitting, settings, measures)]
    else:
        warnings.append(f"the flow was not checked: no clip can be used ({reason})")
    return lines, warnings


class _Clip(NamedTuple):
    """A clip of another program: its first frames, its length in frames, its flow."""

    frames: UInt8[np.ndarray, "t y x 3"]
    length: int
    flow: extracted.Flow

    @property
    def has_flow_for_each_frame(self) -> bool:
        """There is one flow image too many: --flow_leads says which."""
        return len(self.flow.x) == self.length

    def sample(self, leads: str, shift: int = 0) -> Sample:
        """Frames and their flow, or the flow of the frames `shift` later."""
        flow = self.flow.between(self.length, leads)
        first = max(0, -shift)
        last = min(len(self.frames) - 2, len(flow.x) - 1 - shift)
        at = positions(first, max(first, last))
        size = self.frames.shape[2], self.frames.shape[1]
        codes = np.stack([flow.codes(int(position) + shift, size) for position in at])
        return Sample(self.frames[at], self.frames[at + 1], codes)


def _read_some(
    tasks: Sequence[clips.Task], settings: encoding.Settings
) -> tuple[list[_Clip], str]:
    """Usable clips, spread over all, and the reason why the first other is unusable."""
    read: list[_Clip] = []
    reason = ""
    step = max(1, len(tasks) // _CLIPS)
    order = [task for start in range(step) for task in tasks[start::step]]
    for task in order[:_TRIES]:
        try:
            read.append(_read(task, settings))
        except decoding.VideoError as error:
            reason = reason or f"{task.name}: {error}"
        if len(read) == _CLIPS:
            break
    return read, reason


def _read(task: clips.Task, settings: encoding.Settings) -> _Clip:
    """The start of a clip; raises VideoError if it cannot be used."""
    start, count = [], 0
    flow = task.extracted_flow()
    for frame in task.source():
        if count < _FRAMES:
            start.append(imaging.resize(frame, settings.size))
        count += 1
    if flow is None or count < 2:
        raise decoding.VideoError("it has one frame, and flow needs two")
    clip = _Clip(np.stack(start), count, flow)
    for side in _SIDES if clip.has_flow_for_each_frame else ("",):
        clip.sample(side)  # Raises where flow cannot be read or does not fit.
    return clip


def _measure(
    read: Sequence[_Clip], settings: encoding.Settings, leads: str, shift: int = 0
) -> Measures:
    return measure((clip.sample(leads, shift) for clip in read), settings.bound)


def _shifted(
    read: Sequence[_Clip], settings: encoding.Settings, own: Measures
) -> Iterator[str]:
    """Whether the flow of the next or previous frame fits better: an image is lost."""
    long = [clip for clip in read if clip.length > 3]
    for shift, side in ((1, "after"), (-1, "before")) if long else ():
        found = _measure(long, settings, settings.leads, shift)
        share, here = (one.explained[AS_STORED] for one in (found, own))
        if share > here + _BETTER_SIDE:
            yield (
                f"the flow of the frame {side} fits better ({share:.0%} of the change "
                f"explained, {here:.0%} as numbered): is the first or last image "
                "missing?"
            )


def _compare_sides(
    read: Sequence[_Clip], settings: encoding.Settings
) -> tuple[str, bool]:
    """Which side fits as many flows as frames, and whether --flow_leads is wrong."""
    share = {
        side: _measure(read, settings, side).explained[AS_STORED] for side in _SIDES
    }
    best, other = sorted(_SIDES, key=lambda side: -share[side])
    is_clear = share[best] > share[other] + _BETTER_SIDE
    line = f"in {len(read)} clips with as many flows as frames, "
    if any(map(math.isnan, share.values())):
        line += "nothing moves"
    else:
        advice = f"--flow_leads={best} fits" if is_clear else "neither fits better"
        line += (
            f"flow that leads {best} the frame of its number explains "
            f"{share[best]:.1%} of the change, flow that leads {other} it "
            f"{share[other]:.1%}: {advice}"
        )
    if not settings.leads:
        raise UsageError(f"--flow_leads=from or into is needed: {line}")
    return line, is_clear and settings.leads != best


def _shares(
    codes: UInt8[np.ndarray, "t y x 2"], motion: Float32[np.ndarray, "t y x 2"]
) -> list[float]:
    """The first four measures."""
    lengths = np.linalg.norm(motion, axis=-1)
    saturated = (codes <= _LIMITS[0]) | (codes >= _LIMITS[1])
    still = np.isin(codes, _REST).all(axis=(1, 2, 3))
    parts = (lengths, saturated, still, lengths > _MOVING)
    return [float(part.mean()) for part in parts]


def _left(
    sample: Sample, motion: Float32[np.ndarray, "t y x 2"]
) -> Float[np.ndarray, "readings"]:
    """Change in grey levels where something moves; what each reading leaves of it."""
    left = np.zeros(1 + len(_READINGS))
    frames = zip(_grey(sample.frames), _grey(sample.following), motion, strict=True)
    for now, after, u in frames:
        moves = np.linalg.norm(u, axis=-1) > _MOVING
        for i, matrix in enumerate((_NO_FLOW, *_READINGS.values())):
            back = _warp(after, (u @ matrix.T).astype(np.float32))
            left[i] += np.abs(back - now)[moves].sum()
    return left


def _warp(
    image: Float32[np.ndarray, "y x"], u: Float32[np.ndarray, "y x 2"]
) -> Float32[np.ndarray, "y x"]:
    height, width = image.shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    x, y = (x + u[..., 0]).astype(np.float32), (y + u[..., 1]).astype(np.float32)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border))


def _grey(images: UInt8[np.ndarray, "t y x 3"]) -> Float32[np.ndarray, "t y x"]:
    return np.stack([imaging.grey(image) for image in images]).astype(np.float32)
