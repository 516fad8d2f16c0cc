"""The arguments of prepare, and what a data_dir registers of them.

The settings are written beside the cached clips at the start, and into dataset.json at
the end, so that two different commands never mix their clips.
"""

import dataclasses
import hashlib
import os
import uuid
from collections.abc import Mapping
from typing import Any

from etils import epath

from stpn_jax.datasets import builders, listing
from stpn_jax.ops import tvl1
from stpn_jax.prepare import encoding
from stpn_jax.records import records
from stpn_jax.utils import files, manifest
from stpn_jax.utils.errors import UsageError

CACHE = ".clips"
_PLAN = "plan.json"


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The flags of the command, which command.py describes.

    Attributes:
        videos, frames: folder of the clips; one of the two is empty.
        flow, splits: folders, or empty.
        classes: empty for all.
        limit, workers, hosts: 0 where not given.
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
    def clips_folder(self) -> str:
        """The folder of the clips, as videos or as frames."""
        return self.videos or self.frames

    @property
    def settings(self) -> encoding.Settings:
        """Everything that the bytes of an encoded clip depend on."""
        flow = None if self.flow else tvl1.Parameters()
        return encoding.Settings(
            self.size, self.flow_bound, self.jpeg_quality, flow, self.flow_leads
        )

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What a data_dir registers, without the list of its clips."""
        settings = manifest.plain(dataclasses.asdict(self.settings))
        extracted = {"frames": self.frames, "flow": self.flow}
        return {
            "settings": {name: v for name, v in settings.items() if v != ""},
            "selection": {
                "dataset": self.dataset,
                "classes": list(self.classes),
                "limit": self.limit,
                "test_fraction": self.test_fraction,
                "seed": self.seed,
            },
            "sources": {name: _real(p) for name, p in extracted.items() if p},
        }


def list_clips(arguments: Arguments) -> listing.Listing:
    """The clips to prepare.

    Raises:
        UsageError: the folder, its lists or the class names cannot be used.
    """
    options = listing.Options(
        arguments.clips_folder,
        arguments.splits,
        arguments.test_fraction,
        arguments.seed,
        clips_are_folders=bool(arguments.frames),
    )
    found = builders.BUILDERS[arguments.dataset].list_clips(options)
    return listing.select(found, arguments.classes, arguments.limit)


def prepared(arguments: Arguments, chosen: listing.Listing) -> dict[str, Any]:
    """What dataset.json registers: the facts and the list of clips."""
    return {**arguments.facts, "clips": _fingerprint(chosen)}


def check_finished(arguments: Arguments, prepared: Mapping[str, Any]) -> None:
    """Raises UsageError unless a complete data_dir was made with these arguments."""
    for name, facts in arguments.facts.items():
        _check_same(arguments, prepared.get(name, {}), facts)
    records.open_dataset(arguments.data_dir)
    if not epath.Path(arguments.clips_folder).exists():
        return
    if _fingerprint(list_clips(arguments)) != prepared.get("clips"):
        raise UsageError(
            f"{arguments.data_dir} holds the records of other clips than those now in "
            f"{arguments.clips_folder}; delete it or choose another --data_dir"
        )


def register(arguments: Arguments) -> None:
    """Creates the data_dir and its plan.json, or checks that those there are the same.

    Raises:
        UsageError: the data_dir was made with other settings, was not made by prepare,
            or lies inside a folder that is read.
    """
    data_dir = epath.Path(arguments.data_dir)
    for name in ("videos", "frames", "flow"):
        given = getattr(arguments, name)
        if given and epath.Path(_real(data_dir)).is_relative_to(_real(given)):
            raise UsageError(
                f"--data_dir={data_dir} lies inside --{name}={given}; choose another "
                "place"
            )
    plan = data_dir / CACHE / _PLAN
    settings = arguments.facts["settings"]
    if plan.exists():
        remedy = f"delete {plan.parent} and run the same command again"
        _check_same(arguments, manifest.read(plan, remedy), settings)
        return
    if (data_dir / arguments.dataset).exists():
        raise UsageError(
            f"{data_dir / arguments.dataset} exists and prepare did not make it; "
            "choose another --data_dir"
        )
    plan.parent.mkdir(parents=True, exist_ok=True)
    # Several hosts may write it at once.
    manifest.write(plan, settings, draft=uuid.uuid4().hex)


def _check_same(
    arguments: Arguments, there: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    if different := manifest.differences(there, wanted):
        raise UsageError(
            f"{arguments.data_dir} was made with other arguments: "
            f"{'; '.join(different)}; choose another --data_dir or delete it"
        )


def _fingerprint(chosen: listing.Listing) -> str:
    lines = [f"{clip.name} {' '.join(clip.membership)}" for clip in chosen.clips]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _real(path: epath.PathLike) -> str:
    """A local path without links."""
    return str(path) if files.is_remote(path) else os.path.realpath(path)
