"""A whole run of prepare: list, encode every clip, pack, index, report.

Every finished clip is kept at once in DATA_DIR/.clips, so that the same command goes
on where it was ended; dataset.json is written last and marks a complete data_dir.
"""

import dataclasses
import functools
import hashlib
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tqdm
from etils import epath

from stpn_jax.data import (
    builders,
    clips,
    disk,
    estimate,
    listing,
    records,
    report,
    workers,
)
from stpn_jax.errors import UsageError
from stpn_jax.ops import tvl1

CACHE = ".clips"
_PLAN = "plan.json"
_LOG_SECONDS = 30.0  # between two lines of progress in a log file

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What a person asks for.

    Attributes:
        dataset: a row of data.builders.BUILDERS.
        videos: folder of video files.
        splits: folder of the official lists, or empty.
        data_dir: where the records go.
        size: width and height in pixels.
        classes: names, or none for all.
        limit: number of clips, or 0 for all.
        workers: clips at a time, or 0 for as many as there are cores.
        hosts: machines that share the work in one data_dir; 0 for one that does all.
        host: which of them this is, from 0.
        jpeg_quality: of frames and flow.
        flow_bound: displacement in pixels that becomes 255.
        test_fraction: of a class's clips, where nothing else tells the split.
        seed: draws those.
    """

    dataset: str
    videos: str
    splits: str
    data_dir: str
    size: tuple[int, int]
    classes: tuple[str, ...]
    limit: int
    workers: int
    hosts: int
    host: int
    jpeg_quality: int
    flow_bound: float
    test_fraction: float
    seed: int

    @property
    def settings(self) -> clips.Settings:
        """What decides over the bytes of a clip."""
        return clips.Settings(
            self.size, self.flow_bound, self.jpeg_quality, tvl1.Parameters()
        )

    @property
    def selection(self) -> dict[str, Any]:
        """What decides over which clips there are."""
        return {
            "dataset": self.dataset,
            "classes": list(self.classes),
            "limit": self.limit,
            "test_fraction": self.test_fraction,
            "seed": self.seed,
        }


def prepare(arguments: Arguments, say: Say) -> None:
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
    with disk.errors_told(data_dir):
        if description := records.read_description(data_dir):
            _check_finished(arguments, description["prepared"])
            _remove(data_dir / CACHE)
            say(f"{data_dir} is complete already: nothing to do")
            return
        builders.require_tensorflow()
        chosen = _list(arguments)
        _start(arguments)
        share = f"host {arguments.host} of {arguments.hosts}" if arguments.hosts else ""
        with disk.alone_in(data_dir, data_dir / CACHE, share):
            _announce(arguments, chosen, say)
            tasks = _tasks(chosen, data_dir / CACHE)
            if arguments.hosts:
                _run_share(arguments, tasks, say)
            else:
                _run(arguments, chosen, tasks, say)


def _run_share(arguments: Arguments, tasks: Sequence[clips.Task], say: Say) -> None:
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
    arguments: Arguments,
    chosen: listing.Listing,
    tasks: Sequence[clips.Task],
    say: Say,
) -> None:
    data_dir = epath.Path(arguments.data_dir)
    start = time.monotonic()
    told = _report(chosen, _encode(arguments, tasks, say))
    told.write(data_dir / report.FILE)
    if not told.used:
        raise UsageError(
            f"none of the {len(tasks)} clips can be read (the first, "
            f"{told.clips[0].name}: {told.clips[0].error}); {data_dir / report.FILE} "
            "lists them all"
        )
    say(f"packing {len(told.used)} clips into TFRecord files")
    caches = {task.name: task.cache for task in tasks}
    used = {clip.name for clip in told.used}
    examples = [(c, caches[c.name]) for c in chosen.clips if c.name in used]
    _pack(arguments, chosen, examples)
    _remove(data_dir / CACHE)
    say(f"done in {estimate.duration(time.monotonic() - start)}")
    for line in (*told.summary(), "wrote:", *_written(data_dir, arguments.dataset)):
        say(line)


def _list(arguments: Arguments) -> listing.Listing:
    options = builders.Options(
        arguments.videos, arguments.splits, arguments.test_fraction, arguments.seed
    )
    found = builders.BUILDERS[arguments.dataset].list_clips(options)
    return listing.select(found, arguments.classes, arguments.limit)


def _tasks(chosen: listing.Listing, cache: epath.Path) -> list[clips.Task]:
    return [
        clips.Task(clip.name, clip.path, str(cache / clips.cache_name(clip.name)))
        for clip in chosen.clips
    ]


def _announce(arguments: Arguments, chosen: listing.Listing, say: Say) -> None:
    width, height = arguments.size
    say(
        f"{arguments.dataset}: {len(chosen.clips)} clips of {len(chosen.classes)} "
        f"classes from {arguments.videos}"
    )
    if absent := sum(chosen.absent.values()):
        say(f"{absent} clips of these classes are in the lists and not in the folder")
    say(
        f"each becomes {width}x{height} frames and TV-L1 flow (JPEG quality "
        f"{arguments.jpeg_quality}) in {arguments.data_dir}"
    )


def _encode(
    arguments: Arguments, tasks: Sequence[clips.Task], say: Say
) -> list[report.ClipReport]:
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
    chosen: listing.Listing, reports: Sequence[report.ClipReport]
) -> report.Report:
    good = {clip.name for clip in reports if not clip.error}
    places = Counter("_".join(c.membership) for c in chosen.clips if c.name in good)
    return report.Report(
        clips=tuple(reports),
        unlisted=chosen.unlisted,
        absent=sum(chosen.absent.values()),
        membership=dict(sorted(places.items())),
    )


def _pack(
    arguments: Arguments,
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
        flow=dataclasses.asdict(arguments.settings.flow),
        jpeg_quality=arguments.jpeg_quality,
    )
    data_dir = epath.Path(arguments.data_dir)
    _remove(data_dir / arguments.dataset)
    builder = builders.BUILDERS[arguments.dataset](data_dir, meta, examples)
    records.write_index(
        data_dir, meta, builders.write(builder), _prepared(arguments, chosen)
    )


def _prepared(arguments: Arguments, chosen: listing.Listing) -> dict[str, Any]:
    """What tells a data_dir from one made with other arguments or of other clips."""
    return {
        "settings": _settings(arguments),
        "selection": arguments.selection,
        "clips": _fingerprint(chosen),
    }


def _settings(arguments: Arguments) -> dict[str, Any]:
    settings = dataclasses.asdict(arguments.settings)
    return dict(json.loads(json.dumps(settings)))


def _fingerprint(chosen: listing.Listing) -> str:
    lines = [f"{clip.name} {' '.join(clip.membership)}" for clip in chosen.clips]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _check_finished(arguments: Arguments, prepared: Mapping[str, Any]) -> None:
    """Raises UsageError unless a complete data_dir is what the arguments ask for."""
    _check_same(arguments, prepared.get("settings", {}), _settings(arguments))
    _check_same(arguments, prepared.get("selection", {}), arguments.selection)
    records.open_dataset(arguments.data_dir)
    if not epath.Path(arguments.videos).exists():
        return
    if _fingerprint(_list(arguments)) != prepared.get("clips"):
        raise UsageError(
            f"{arguments.data_dir} holds the records of other clips than those now in "
            f"{arguments.videos}; delete it or choose another --data_dir"
        )


def _start(arguments: Arguments) -> None:
    """Makes the folders, or checks that those there are of the same settings."""
    data_dir, videos = epath.Path(arguments.data_dir), epath.Path(arguments.videos)
    if data_dir.resolve().is_relative_to(videos.resolve()):
        raise UsageError(
            f"--data_dir={data_dir} lies inside --videos={videos}; choose another place"
        )
    plan = data_dir / CACHE / _PLAN
    if plan.exists():
        _check_same(arguments, _read_plan(plan), _settings(arguments))
        return
    if (data_dir / arguments.dataset).exists():
        raise UsageError(
            f"{data_dir / arguments.dataset} is there and prepare did not make it; "
            "choose another --data_dir"
        )
    plan.parent.mkdir(parents=True, exist_ok=True)
    disk.write_whole(plan, json.dumps(_settings(arguments)))


def _read_plan(plan: epath.Path) -> dict[str, Any]:
    try:
        return dict(json.loads(plan.read_text()))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{plan}: not the JSON that prepare wrote ({error}); delete {plan.parent} "
            "and run the same command again"
        ) from error


def _check_same(
    arguments: Arguments, there: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    different = [
        f"{name} = {there.get(name)} where {asked[name]} is asked for"
        for name in asked
        if there.get(name) != asked[name]
    ]
    if different:
        raise UsageError(
            f"{arguments.data_dir} was made with {', '.join(different)}; choose "
            "another --data_dir or delete it"
        )


def _written(data_dir: epath.Path, dataset: str) -> Iterator[str]:
    """The files of a finished data_dir; the shards of one split share a line."""
    for name in (records.DESCRIPTION, records.INDEX, report.FILE):
        yield f"  {data_dir / name}"
    files = sorted((data_dir / dataset / records.VERSION).iterdir())
    shards = r"-\d{5}-of-(?!00001$)"
    names = [re.sub(shards, "-*-of-", str(path)) for path in files]
    for name, count in Counter(names).items():
        yield f"  {name}" + (f" ({count} files)" if count > 1 else "")


def _remove(folder: epath.Path) -> None:
    if folder.exists():
        folder.rmtree()
