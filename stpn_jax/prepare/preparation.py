"""A whole run of prepare: list, encode every clip, pack, index, report.

Every finished clip is kept in DATA_DIR/.clips, so that the same command resumes after
an interruption. dataset.json is written last and marks a complete data_dir.
"""

import argparse
import functools
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import tqdm
from etils import epath

from stpn_jax.datasets import builders, folder, listing
from stpn_jax.prepare import clip_report, clips, flow_check, inspection, job, workers
from stpn_jax.prepare.precomputed import image_series
from stpn_jax.records import records
from stpn_jax.utils import errors, files, locks, wording
from stpn_jax.utils.errors import UsageError

_LOG_SECONDS = 30.0  # between two lines of progress in a log file
_HEADERS = 50  # clips whose headers are read to estimate the number of frames
_TRIES = 5  # clips that may be unreadable before the estimate is omitted

Say = Callable[[str], None]
Flags = argparse.Namespace


def prepare(flags: Flags, say: Say) -> None:
    """Makes a data_dir by the flags of command.py, or says that it is complete.

    Raises:
        UsageError: the flags, the folders or all of the clips cannot be used; the
            data_dir was made with other flags; the disk is full.
    """
    data_dir = epath.Path(flags.data_dir)
    if data_dir.exists() and not data_dir.is_dir():
        raise UsageError(f"--data_dir={data_dir} is a file; expected a folder's name")
    with errors.disk_errors(data_dir, kept="finished clips are kept"):
        if description := records.read_description(data_dir):
            job.check_finished(flags, description["prepared"])
            _remove(data_dir / job.CACHE)
            say(f"{data_dir} is complete already: nothing to do (delete it to redo it)")
            return
        builders.require_tensorflow()
        chosen = job.list_clips(flags)
        tasks = _tasks(chosen, flags)
        warnings: list[str] = []
        if flags.flow:
            lines, warnings = flow_check.check(tasks, job.settings(flags))
            for line in (*lines, *_marked(warnings)):
                say(line)
        job.register(flags)
        share = f"host {flags.host} of {flags.hosts}" if flags.hosts else ""
        with locks.alone_in(data_dir, data_dir / job.CACHE, share):
            _announce(flags, chosen, say)
            if flags.hosts:
                _run_share(flags, tasks, say)
            else:
                _run(flags, chosen, tasks, say)
                warnings += inspection.missing_parts(records.open_dataset(data_dir))
            # Repeated at the end, where they are seen.
            for line in _marked(warnings):
                say(line)


def _run_share(flags: Flags, tasks: Sequence[clips.Task], say: Say) -> None:
    """Encodes every hosts-th clip; packing is left to the command without hosts."""
    own = tasks[flags.host :: flags.hosts]
    count = wording.counted(len(own), "clip")
    say(f"host {flags.host} of {flags.hosts}: {count} of them")
    failed = sum(bool(clip.error) for clip in _encode(flags, own, say))
    left = sum(not epath.Path(task.cache).exists() for task in tasks) - failed
    say(f"host {flags.host} is done: {failed} of its {count} unreadable")
    say(
        f"left to the other hosts: {wording.counted(max(left, 0), 'clip')}; when all "
        "are done, the same command without --hosts and --host writes the records"
    )


def _run(
    flags: Flags, chosen: listing.Listing, tasks: Sequence[clips.Task], say: Say
) -> None:
    """Encodes all clips and packs them."""
    data_dir = epath.Path(flags.data_dir)
    start = time.monotonic()
    done = _encode(flags, tasks, say)
    report = clip_report.Report(done, chosen)
    report.write(data_dir / clip_report.FILE)
    if not report.used:
        raise UsageError(
            f"none of the {len(tasks)} clips can be read (the first, {done[0].name}: "
            f"{done[0].error}); {data_dir / clip_report.FILE} lists them all"
        )
    say(f"packing {wording.counted(len(report.used), 'clip')} into TFRecord files")
    examples = [
        builders.Example(clip, functools.partial(clips.load, task.cache))
        for clip, task in zip(chosen.clips, tasks, strict=True)
        if clip.name in report.used
    ]
    _pack(flags, chosen, examples)
    _remove(data_dir / job.CACHE)
    say(f"done in {_duration(time.monotonic() - start)}")
    for line in (*report.summary(), "wrote:", *_written(data_dir, flags.dataset)):
        say(line)


def _tasks(chosen: listing.Listing, flags: Flags) -> list[clips.Task]:
    cache = epath.Path(flags.data_dir) / job.CACHE
    flows: Sequence[image_series.FlowFolders | None] = [None] * len(chosen.clips)
    if flags.flow:
        names = [clip.name for clip in chosen.clips]
        if not flags.frames:
            names = [name.rpartition(".")[0] for name in names]
        flows = image_series.locate(flags.flow, names)
    return [
        clips.Task(clip.name, clip.path, str(cache / clips.cache_name(clip.name)), flow)
        for clip, flow in zip(chosen.clips, flows, strict=True)
    ]


def _announce(flags: Flags, chosen: listing.Listing, say: Say) -> None:
    width, height = flags.size
    count = wording.counted(len(chosen.clips), "clip")
    say(
        f"{flags.dataset}: {count} of {wording.counted(len(chosen.classes), 'class')} "
        f"from {flags.videos or flags.frames}"
    )
    if absent := sum(chosen.absent.values()):
        count = wording.counted(absent, "clip")
        say(f"in the lists and not in the folder: {count} of these classes")
    if flags.dataset == "folder" and folder.is_sampled(chosen):
        say(
            "the test clips are chosen at random, clip by clip; if several clips were "
            "cut from one recording, give folders train/CLASS and test/CLASS instead"
        )
    flow = f"the flow of {flags.flow}" if flags.flow else "TV-L1 flow"
    say(
        f"each becomes {width}x{height} frames and {flow} (JPEG quality "
        f"{flags.jpeg_quality}) in {flags.data_dir}"
    )


def _encode(
    flags: Flags, tasks: Sequence[clips.Task], say: Say
) -> list[clip_report.ClipReport]:
    """Encodes what is not yet in the cache, in workers, with a progress bar."""
    count = min(flags.workers or workers.default_workers(), max(len(tasks), 1))
    work = functools.partial(clips.process, settings=job.settings(flags))
    left = [task for task in tasks if not epath.Path(task.cache).exists()]
    if len(left) < len(tasks):
        say(f"{len(tasks) - len(left)} of {len(tasks)} clips are there already")
    with workers.Pool(count) as pool:
        if estimate := _estimate(left, len(tasks), flags, pool):
            say(estimate)
        done = pool.map(work, tasks, describe=lambda task: task.name)
        seconds = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
        limits = {"mininterval": seconds, "maxinterval": max(seconds, 10)}
        bar = tqdm.tqdm(done, total=len(tasks), unit="clip", smoothing=0.05, **limits)
        return sorted(bar, key=lambda clip: clip.name)


def _estimate(
    left: Sequence[clips.Task], all_clips: int, flags: Flags, pool: workers.Pool
) -> str:
    """Time and disk space by a few clips; empty if unknown.

    One clip's start is encoded in one worker, which also compiles the flow for all.
    """
    headers = left[:: max(1, len(left) // _HEADERS)]
    counts = [count for task in headers if (count := task.declared_frames())]
    tried = left[:: max(1, len(left) // _TRIES)][:_TRIES]
    paces = (pool.call(clips.measure, task, job.settings(flags)) for task in tried)
    pace = next(filter(None, paces), None)
    if not counts or pace is None:
        return ""
    frames = sum(counts) / len(counts) * len(left)
    seconds, size = pace[0] * frames, pace[1] * frames * all_clips / len(left)
    line = (
        f"estimate from a few clips: {frames:.0f} frames, "
        f"{_duration(seconds / pool.speed)} with {pool.workers} clips at a time, "
        f"{clip_report.gigabytes(size)} of records and up to three times that "
        "while they are packed"
    )
    if files.is_remote(flags.data_dir):
        return line
    free = shutil.disk_usage(flags.data_dir).free
    enough = "" if free > 3 * size else ": THIS MAY NOT BE ENOUGH"
    return f"{line}; {clip_report.gigabytes(free)} are free{enough}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _pack(
    flags: Flags, chosen: listing.Listing, examples: Sequence[builders.Example]
) -> None:
    """Finished clips -> TFRecord files, index.npz and dataset.json."""
    prepared = job.prepared(flags, chosen)
    meta = records.Meta(
        dataset=flags.dataset,
        classes=chosen.classes,
        groups=dict(chosen.groups),
        size=flags.size,
        bound=flags.flow_bound,
        splits=chosen.splits,
        flow=prepared["settings"]["flow"] or {},
        jpeg_quality=flags.jpeg_quality,
    )
    data_dir = epath.Path(flags.data_dir)
    _remove(data_dir / flags.dataset)
    builder = builders.BUILDERS[flags.dataset](data_dir, meta, examples)
    records.write_index(data_dir, meta, builders.write(builder), prepared)


def _written(data_dir: epath.Path, dataset: str) -> Iterator[str]:
    """The files of a finished data_dir; the shards of one split share a line."""
    for name in (records.DESCRIPTION, records.INDEX, clip_report.FILE):
        yield f"  {data_dir / name}"
    shards = re.compile(r"-\d{5}-of-(?!00001$)")
    paths = sorted((data_dir / dataset / records.VERSION).iterdir())
    names = [shards.sub("-*-of-", str(path)) for path in paths]
    for name, count in Counter(names).items():
        yield f"  {name}" + (f" ({count} files)" if count > 1 else "")


def _marked(warnings: Sequence[str]) -> list[str]:
    return [f"WARNING: {warning}" for warning in warnings]


def _remove(folder: epath.Path) -> None:
    if folder.exists():
        folder.rmtree()
