"""Does flow that another program made fit the frames? Measured before it is taken.

Programs differ in what they write: the frame that has the number of a flow, the bound,
even the axes. A wrong guess costs accuracy and no error tells it, so the flow of some
clips is compared with their frames, see data.inspection.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from stpn_jax.prepare import clips, encoding, inspection
from stpn_jax.prepare.precomputed import extracted
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import decoding

_CLIPS = 16
_FRAMES = 64
"""Of a clip, from its start, that are looked at."""

_TRIES = 64
"""Clips that may be unusable before it is given up."""

_CLEARLY = 0.03
"""Share of the change that one side has to explain more than the other."""

_SIDES = (extracted.FROM, extracted.INTO)


class _Clip(NamedTuple):
    """The start of a clip: its first frames, how many there are in all, its flow."""

    frames: UInt8[np.ndarray, "t y x 3"]
    length: int
    flow: extracted.Flow

    @property
    def is_open(self) -> bool:
        return len(self.flow.x) == self.length

    def sample(self, leads: str, shift: int = 0) -> inspection.Sample:
        """Some frames with their flow, or that of the frames `shift` later."""
        flow = self.flow.between(self.length, leads)
        first = max(0, -shift)
        last = min(len(self.frames) - 2, len(flow.x) - 1 - shift)
        at = np.linspace(first, max(first, last), inspection.POSITIONS).round()
        at = at.astype(int)
        size = self.frames.shape[2], self.frames.shape[1]
        codes = np.stack([flow.codes(int(position) + shift, size) for position in at])
        return inspection.Sample(0, self.frames[at], self.frames[at + 1], codes)


def check(tasks: Sequence[clips.Task], settings: encoding.Settings) -> Iterator[str]:
    """Says how well the flow of some clips fits, and what would fit better.

    Args:
        tasks: clips with flow that was made by another program.
        settings: as they are to be encoded.

    Raises:
        UsageError: there are as many flows as frames and settings.leads is empty, or
            one flow less and it is given.
    """
    read, first_reason = _read_some(tasks, settings)
    is_open = [clip for clip in read if clip.is_open]
    if is_open and 2 * len(is_open) < len(read):
        yield (
            f"{len(is_open)} of {len(read)} clips have as many flows as frames, others "
            "one less"
        )
    elif is_open:
        yield _compared(is_open, settings)
    if settings.leads and read and not is_open:
        raise UsageError(
            f"--flow_leads={settings.leads} is for as many flows as frames; the "
            f"{len(read)} clips that were looked at have one flow less: leave it out"
        )
    fitting = [clip for clip in read if clip.is_open == bool(settings.leads)]
    if not fitting:
        yield f"LOOK: nothing was measured: no clip can be used ({first_reason})"
        return
    measures = _measure(fitting, settings, settings.leads)
    yield f"in {len(fitting)} clips: {inspection.told(measures)}"
    for doubt in inspection.misfits(measures.explained):
        yield f"LOOK: {doubt}"
    yield from _shifted(fitting, settings, measures)


def _read_some(
    tasks: Sequence[clips.Task], settings: encoding.Settings
) -> tuple[list[_Clip], str]:
    """Usable clips, spread over all, and why the first of the others is none."""
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
    """The start of a clip.

    Raises:
        VideoError: it cannot be used.
    """
    head, count = [], 0
    flow = task.given_flow()
    for frame in task.source():
        if count < _FRAMES:
            head.append(decoding.resize(frame, settings.size))
        count += 1
    if flow is None or count < 2:
        raise decoding.VideoError("it has one frame, and flow needs two")
    clip = _Clip(np.stack(head), count, flow)
    for side in _SIDES if clip.is_open else ("",):
        clip.sample(side)  # Its images can be read, and they fit in number.
    return clip


def _shifted(
    read: Sequence[_Clip], settings: encoding.Settings, own: inspection.Measures
) -> Iterator[str]:
    """Whether the flow of the frame before or after fits better: one is missing."""
    long = [clip for clip in read if clip.length > 3]
    for shift, side in ((1, "after"), (-1, "before")) if long else ():
        samples = (clip.sample(settings.leads, shift) for clip in long)
        found = inspection.measure(samples, settings.bound)
        share, here = (one.explained[inspection.AS_IT_IS] for one in (found, own))
        if share > here + _CLEARLY:
            yield (
                f"LOOK: the flow of the frame {side} fits better ({share:.0%} of the "
                f"change explained, {here:.0%} as it is): is a first or last image "
                "missing?"
            )


def _measure(
    read: Sequence[_Clip], settings: encoding.Settings, leads: str
) -> inspection.Measures:
    return inspection.measure((clip.sample(leads) for clip in read), settings.bound)


def _compared(read: Sequence[_Clip], settings: encoding.Settings) -> str:
    """What speaks for each side, where flows are as many as frames."""
    share = {
        side: _measure(read, settings, side).explained[inspection.AS_IT_IS]
        for side in _SIDES
    }
    if np.isnan(list(share.values())).any():
        told = f"nothing moves in {len(read)} clips with as many flows as frames"
        if settings.leads:
            return told
        raise UsageError(f"--flow_leads=from or into has to be given: {told}")
    best, other = sorted(_SIDES, key=lambda side: -share[side])
    is_clear = share[best] > share[other] + _CLEARLY
    advice = f"speaks for --flow_leads={best}" if is_clear else "speaks for neither"
    told = (
        f"in {len(read)} clips of as many images of flow as of frames, flow that leads "
        f"{best} the frame of its number explains {share[best]:.1%} of the change, "
        f"{other} it {share[other]:.1%}, which {advice}"
    )
    if not settings.leads:
        raise UsageError(f"--flow_leads=from or into has to be given: {told}")
    is_wrong = is_clear and settings.leads != best
    return f"LOOK: {told}" if is_wrong else told
