"""What is asked of prepare, and whether a data_dir was made with the same.

The settings are written beside the cached clips at the start and into dataset.json at
the end, so that two different commands never mix their clips.
"""

import dataclasses
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

from etils import epath

from stpn_jax.datasets import builders, listing
from stpn_jax.ops import tvl1
from stpn_jax.prepare import encoding
from stpn_jax.records import records
from stpn_jax.utils import manifest
from stpn_jax.utils.errors import UsageError

CACHE = ".clips"
_PLAN = "plan.json"


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What a person asks for.

    Attributes:
        dataset: a row of data.builders.BUILDERS.
        videos: folder of video files; empty where frames is given.
        frames: folder of frames that another program extracted, or empty.
        flow: folder of flow that another program extracted, or empty.
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
        flow_leads: see data.extracted.
        test_fraction: of a class's clips, where nothing else tells the split.
        seed: draws those.
    """

    dataset: str
    videos: str
    frames: str
    flow: str
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
    flow_leads: str
    test_fraction: float
    seed: int

    @property
    def source(self) -> str:
        """The folder of the clips."""
        return self.videos or self.frames

    @property
    def settings(self) -> encoding.Settings:
        """What decides over the bytes of a clip."""
        return encoding.Settings(
            self.size,
            self.flow_bound,
            self.jpeg_quality,
            None if self.flow else tvl1.Parameters(),
            self.flow_leads,
        )

    @property
    def written_settings(self) -> dict[str, Any]:
        """The settings as a JSON file gives them back, without what is not set."""
        settings = json.loads(json.dumps(dataclasses.asdict(self.settings)))
        return {name: value for name, value in settings.items() if value != ""}

    @property
    def sources(self) -> dict[str, str]:
        """Where the frames and flow of another program are taken from, if they are."""
        given = {"frames": self.frames, "flow": self.flow}
        return {name: _real(path) for name, path in given.items() if path}

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


def list_clips(arguments: Arguments) -> listing.Listing:
    """The clips that are asked for.

    Raises:
        UsageError: the folder, its lists or the names of classes are of no use.
    """
    options = builders.Options(
        arguments.source,
        arguments.splits,
        arguments.test_fraction,
        arguments.seed,
        folders=bool(arguments.frames),
    )
    found = builders.BUILDERS[arguments.dataset].list_clips(options)
    return listing.select(found, arguments.classes, arguments.limit)


def prepared(arguments: Arguments, chosen: listing.Listing) -> dict[str, Any]:
    """What tells a data_dir from one made with other arguments or of other clips."""
    return {
        "settings": arguments.written_settings,
        "selection": arguments.selection,
        "sources": arguments.sources,
        "clips": _fingerprint(chosen),
    }


def _fingerprint(chosen: listing.Listing) -> str:
    lines = [f"{clip.name} {' '.join(clip.membership)}" for clip in chosen.clips]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_finished(arguments: Arguments, prepared: Mapping[str, Any]) -> None:
    """Raises UsageError unless a complete data_dir is what the arguments ask for."""
    _check_same(arguments, prepared.get("settings", {}), arguments.written_settings)
    _check_same(arguments, prepared.get("selection", {}), arguments.selection)
    _check_same(arguments, prepared.get("sources", {}), arguments.sources)
    records.open_dataset(arguments.data_dir)
    if not epath.Path(arguments.source).exists():
        return
    if _fingerprint(list_clips(arguments)) != prepared.get("clips"):
        raise UsageError(
            f"{arguments.data_dir} holds the records of other clips than those now in "
            f"{arguments.source}; delete it or choose another --data_dir"
        )


def start(arguments: Arguments) -> None:
    """Makes the folders, or checks that those there are of the same settings."""
    data_dir = epath.Path(arguments.data_dir)
    for name in ("videos", "frames", "flow"):
        given = getattr(arguments, name)
        if given and epath.Path(_real(data_dir)).is_relative_to(_real(given)):
            raise UsageError(
                f"--data_dir={data_dir} lies inside --{name}={given}; choose another "
                "place"
            )
    plan = data_dir / CACHE / _PLAN
    if plan.exists():
        remedy = f"delete {plan.parent} and run the same command again"
        there = manifest.read(plan, remedy)
        _check_same(arguments, there, arguments.written_settings)
        return
    if (data_dir / arguments.dataset).exists():
        raise UsageError(
            f"{data_dir / arguments.dataset} is there and prepare did not make it; "
            "choose another --data_dir"
        )
    plan.parent.mkdir(parents=True, exist_ok=True)
    # Hosts start together.
    manifest.write(plan, arguments.written_settings, draft=uuid.uuid4().hex)


def _check_same(
    arguments: Arguments, there: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    if different := manifest.differences(there, asked):
        raise UsageError(
            f"{arguments.data_dir} was made with other arguments: "
            f"{'; '.join(different)}; choose another --data_dir or delete it"
        )


def _real(path: epath.PathLike) -> str:
    """A local path without links."""
    return str(path) if "://" in str(path) else os.path.realpath(path)
