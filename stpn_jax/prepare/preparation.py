"""A whole run of prepare: list, encode every clip, pack, index, report.

Every finished clip is kept at once in DATA_DIR/.clips, so that the same command goes
on where it was ended; dataset.json is written last and marks a complete data_dir.
"""

import functools
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import tqdm
from etils import epath

from stpn_jax.datasets import builders, listing
from stpn_jax.prepare import clip_report, clips, estimate, inspection, job, workers
from stpn_jax.prepare.precomputed import conventions, image_series
from stpn_jax.records import records
from stpn_jax.utils import errors, locks
from stpn_jax.utils.errors import UsageError

_LOG_SECONDS = 30.0  # between two lines of progress in a log file

Say = Callable[[str], None]


def prepare(arguments: job.Arguments, say: Say) -> None:
    """Makes a data_dir, or says that it is there.

    Args:
        arguments: what is asked for.
        say: prints a line.

    Raises:
        UsageError: the arguments, the folders or all of the clips are of no use; a
            data_dir made with other arguments is in the way; the disk is full.
    """
    data_dir = epath.Path(arguments.data_dir)
    if data_dir.exists() and not data_dir.is_dir():
        raise UsageError(f"--data_dir={data_dir} is a file; give it a folder's name")
    with errors.disk_errors(data_dir, kept="finished clips are kept"):
        if description := records.read_description(data_dir):
            job.check_finished(arguments, description["prepared"])
            _remove(data_dir / job.CACHE)
            say(f"{data_dir} is complete already: nothing to do (delete it to redo it)")
            return
        builders.require_tensorflow()
        chosen = job.list_clips(arguments)
        tasks = _tasks(chosen, arguments)
        doubts: list[str] = []
        if arguments.flow:
            for line in conventions.check(tasks, arguments.settings):
                say(line)
                doubts += [line] if line.startswith("LOOK") else []
        job.start(arguments)
        share = f"host {arguments.host} of {arguments.hosts}" if arguments.hosts else ""
        with locks.alone_in(data_dir, data_dir / job.CACHE, share):
            _announce(arguments, chosen, say)
            if arguments.hosts:
                _run_share(arguments, tasks, say)
            else:
                _run(arguments, chosen, tasks, say)
                doubts += [f"LOOK: {doubt}" for doubt in _missing(arguments)]
            for doubt in doubts:
                say(doubt)


def _run_share(arguments: job.Arguments, tasks: Sequence[clips.Task], say: Say) -> None:
    """Encodes every hosts-th clip and leaves the packing to whoever comes last."""
    own = tasks[arguments.host :: arguments.hosts]
    say(f"host {arguments.host} of {arguments.hosts}: {len(own)} clips of them")
    failed = sum(bool(clip.error) for clip in _encode(arguments, own, say))
    left = sum(not epath.Path(task.cache).exists() for task in tasks) - failed
    say(f"host {arguments.host} is done: {failed} of its {len(own)} clips unreadable")
    say(
        f"{max(left, 0)} clips are left to the other hosts; when all are done, the "
        "same command without --hosts and --host writes the records"
    )


def _run(
    arguments: job.Arguments,
    chosen: listing.Listing,
    tasks: Sequence[clips.Task],
    say: Say,
) -> None:
    data_dir = epath.Path(arguments.data_dir)
    start = time.monotonic()
    told = _report(chosen, _encode(arguments, tasks, say))
    told.write(data_dir / clip_report.FILE)
    if not told.used:
        raise UsageError(
            f"none of the {len(tasks)} clips can be read (the first, "
            f"{told.clips[0].name}: {told.clips[0].error}); "
            f"{data_dir / clip_report.FILE} lists them all"
        )
    say(f"packing {len(told.used)} clips into TFRecord files")
    caches = {task.name: task.cache for task in tasks}
    used = {clip.name for clip in told.used}
    examples = [(c, caches[c.name]) for c in chosen.clips if c.name in used]
    _pack(arguments, chosen, examples)
    _remove(data_dir / job.CACHE)
    say(f"done in {estimate.duration(time.monotonic() - start)}")
    for line in (*told.summary(), "wrote:", *_written(data_dir, arguments.dataset)):
        say(line)


def _missing(arguments: job.Arguments) -> Iterator[str]:
    return inspection.missing_parts(records.open_dataset(arguments.data_dir))


def _tasks(chosen: listing.Listing, arguments: job.Arguments) -> list[clips.Task]:
    cache = epath.Path(arguments.data_dir) / job.CACHE
    flows: Sequence[image_series.FlowFolders | None] = [None] * len(chosen.clips)
    if arguments.flow:
        names = [clip.name for clip in chosen.clips]
        if not arguments.frames:
            names = [name.rpartition(".")[0] for name in names]
        flows = image_series.locate(arguments.flow, names)
    return [
        clips.Task(clip.name, clip.path, str(cache / clips.cache_name(clip.name)), flow)
        for clip, flow in zip(chosen.clips, flows, strict=True)
    ]


def _announce(arguments: job.Arguments, chosen: listing.Listing, say: Say) -> None:
    width, height = arguments.size
    say(
        f"{arguments.dataset}: {len(chosen.clips)} clips of {len(chosen.classes)} "
        f"classes from {arguments.source}"
    )
    if absent := sum(chosen.absent.values()):
        say(f"{absent} clips of these classes are in the lists and not in the folder")
    flow = f"the flow of {arguments.flow}" if arguments.flow else "TV-L1 flow"
    say(
        f"each becomes {width}x{height} frames and {flow} (JPEG quality "
        f"{arguments.jpeg_quality}) in {arguments.data_dir}"
    )


def _encode(
    arguments: job.Arguments, tasks: Sequence[clips.Task], say: Say
) -> list[clip_report.ClipReport]:
    """Encodes what is not yet in the cache, in workers, with progress."""
    count = min(arguments.workers or workers.default_workers(), max(len(tasks), 1))
    work = functools.partial(clips.process, settings=arguments.settings)
    with workers.Pool(count) as pool:
        for line in estimate.lines(tasks, arguments.settings, pool, arguments.data_dir):
            say(line)
        done = pool.map(work, tasks, describe=lambda task: task.name)
        seconds = 0.1 if sys.stderr.isatty() else _LOG_SECONDS
        bar = tqdm.tqdm(
            done,
            total=len(tasks),
            unit="clip",
            smoothing=0.05,
            mininterval=seconds,
            maxinterval=max(seconds, 10),
        )
        return sorted(bar, key=lambda clip: clip.name)


def _report(
    chosen: listing.Listing, reports: Sequence[clip_report.ClipReport]
) -> clip_report.Report:
    good = {clip.name for clip in reports if not clip.error}
    places = Counter("_".join(c.membership) for c in chosen.clips if c.name in good)
    return clip_report.Report(
        clips=tuple(reports),
        unlisted=chosen.unlisted,
        absent=sum(chosen.absent.values()),
        membership=dict(sorted(places.items())),
    )


def _pack(
    arguments: job.Arguments,
    chosen: listing.Listing,
    examples: Sequence[tuple[listing.Clip, str]],
) -> None:
    """Finished clips -> TFRecord files, index.npz and dataset.json."""
    meta = records.Meta(
        dataset=arguments.dataset,
        classes=chosen.classes,
        groups=dict(chosen.groups),
        size=arguments.size,
        bound=arguments.flow_bound,
        splits=chosen.splits,
        flow=arguments.written_settings["flow"] or {},
        jpeg_quality=arguments.jpeg_quality,
    )
    data_dir = epath.Path(arguments.data_dir)
    _remove(data_dir / arguments.dataset)
    builder = builders.BUILDERS[arguments.dataset](data_dir, meta, examples)
    records.write_index(
        data_dir, meta, builders.write(builder), job.prepared(arguments, chosen)
    )


def _written(data_dir: epath.Path, dataset: str) -> Iterator[str]:
    """The files of a finished data_dir; the shards of one split share a line."""
    for name in (records.DESCRIPTION, records.INDEX, clip_report.FILE):
        yield f"  {data_dir / name}"
    files = sorted((data_dir / dataset / records.VERSION).iterdir())
    shards = r"-\d{5}-of-(?!00001$)"
    names = [re.sub(shards, "-*-of-", str(path)) for path in files]
    for name, count in Counter(names).items():
        yield f"  {name}" + (f" ({count} files)" if count > 1 else "")


def _remove(folder: epath.Path) -> None:
    if folder.exists():
        folder.rmtree()
