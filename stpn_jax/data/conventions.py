"""Does flow that another program made fit the frames? Measured before it is taken.

Programs differ in what they write: the frame that has the number of a flow, the bound,
even the axes. A wrong guess costs accuracy and no error tells it, so the flow of some
clips is compared with their frames, see data.inspection.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from stpn_jax.data import clips, encoding, extracted, inspection, video
from stpn_jax.errors import UsageError

_CLIPS = 16
_FRAMES = 64
"""Of a clip, from its start, that are looked at."""

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

    def sample(self, leads: str) -> inspection.Sample:
        positions = np.linspace(0, len(self.frames) - 2, inspection.POSITIONS)
        at = positions.round().astype(int)
        flow = self.flow.between(self.length, leads)
        size = self.frames.shape[2], self.frames.shape[1]
        codes = np.stack([flow.codes(int(position), size) for position in at])
        return inspection.Sample(0, self.frames[at], self.frames[at + 1], codes)


def check(tasks: Sequence[clips.Task], settings: encoding.Settings) -> Iterator[str]:
    """Says how well the flow of some clips fits, and what would fit better.

    Args:
        tasks: clips with flow that was made by another program.
        settings: as they are to be encoded.

    Raises:
        UsageError: there are as many flows as frames and settings.leads is empty.
    """
    chosen = tasks[:: max(1, len(tasks) // _CLIPS)][:_CLIPS]
    read = [clip for task in chosen if (clip := _read(task, settings))]
    if not read:
        return  # The report will say of each why.
    if is_open := [clip for clip in read if clip.is_open]:
        yield _compared(is_open, settings)
    measures = _measure(read, settings, settings.leads)
    yield f"in {len(read)} clips: {inspection.told(measures)}"
    for doubt in inspection.misfits(measures.explained):
        yield f"LOOK: {doubt}"


def _read(task: clips.Task, settings: encoding.Settings) -> _Clip | None:
    """None for a clip that cannot be used."""
    head, count = [], 0
    try:
        flow = task.given_flow()
        for frame in task.source():
            if count < _FRAMES:
                head.append(video.resize(frame, settings.size))
            count += 1
        if flow is None or not 0 <= count - len(flow.x) <= 1 or count < 2:
            return None
        clip = _Clip(np.stack(head), count, flow)
        clip.sample(extracted.FROM)  # Its images can be read.
    except video.VideoError:
        return None
    return clip


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
