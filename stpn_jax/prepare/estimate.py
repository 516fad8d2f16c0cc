"""How long prepare will take and how much disk, guessed from a few clips."""

import shutil
from collections.abc import Iterator, Sequence

from etils import epath

from stpn_jax.prepare import clip_report, clips, encoding, workers

_SAMPLE = 50
"""Clips whose headers are read for the number of frames."""

_TRIES = 5
"""Clips that may be unreadable before no pace is given."""


def lines(
    tasks: Sequence[clips.Task],
    settings: encoding.Settings,
    pool: workers.Pool,
    data_dir: epath.PathLike,
) -> Iterator[str]:
    """Says what is to be done, at what cost.

    One clip's start is encoded in one worker, which also compiles the flow once for
    all of them.
    """
    left = [task for task in tasks if not epath.Path(task.cache).exists()]
    if len(left) < len(tasks):
        yield f"{len(tasks) - len(left)} of {len(tasks)} clips are there already"
    frames = _mean_frames(left) * len(left)
    pace = _pace(left, settings, pool)
    if not frames or pace is None:
        return
    size = pace.bytes * frames * len(tasks) / len(left)
    time = duration(pace.seconds * frames / pool.speed)
    line = (
        f"estimate from a few clips: {frames:.0f} frames, {time} with {pool.workers} "
        f"clips at a time, {clip_report.gigabytes(size)} of records and up to three "
        "times that while they are packed"
    )
    if (free := _free(data_dir)) is not None:
        enough = "" if free > 3 * size else ": THIS MAY NOT BE ENOUGH"
        line += f"; {clip_report.gigabytes(free)} are free{enough}"
    yield line


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _mean_frames(tasks: Sequence[clips.Task]) -> float:
    sample = tasks[:: max(1, len(tasks) // _SAMPLE)]
    counts = [count for task in sample if (count := clips.declared_frames(task))]
    return sum(counts) / len(counts) if counts else 0.0


def _pace(
    tasks: Sequence[clips.Task], settings: encoding.Settings, pool: workers.Pool
) -> clips.Pace | None:
    for task in tasks[:: max(1, len(tasks) // _TRIES)][:_TRIES]:
        if pace := pool.call(clips.measure, task, settings):
            return pace
    return None


def _free(data_dir: epath.PathLike) -> int | None:
    """Bytes free on a local disk."""
    if "://" in str(data_dir):
        return None
    return shutil.disk_usage(data_dir).free
