"""What a data_dir registers of the flags of prepare.

The settings are written beside the cached clips at the start, and into dataset.json at
the end, so that two different commands never mix their clips. The flags are those of
command.py: of `videos` and `frames` one is empty, `limit` and `hosts` are 0 if absent.
"""

import argparse
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


def settings(flags: argparse.Namespace) -> encoding.Settings:
    """Everything that the bytes of an encoded clip depend on."""
    flow = None if flags.flow else tvl1.Parameters()
    return encoding.Settings(
        flags.size, flags.flow_bound, flags.jpeg_quality, flow, flags.flow_leads
    )


def list_clips(flags: argparse.Namespace) -> listing.Listing:
    """The clips to prepare.

    Raises:
        UsageError: the folder, its lists or the class names cannot be used.
    """
    options = listing.Options(
        flags.videos or flags.frames,
        flags.splits,
        flags.test_fraction,
        flags.seed,
        clips_are_folders=bool(flags.frames),
    )
    found = builders.LIST_CLIPS[flags.dataset](options)
    return listing.select(found, flags.classes, flags.limit)


def prepared(flags: argparse.Namespace, chosen: listing.Listing) -> dict[str, Any]:
    """What dataset.json registers: the facts and the list of clips."""
    return {**_facts(flags), "clips": _fingerprint(chosen)}


def check_finished(flags: argparse.Namespace, prepared: Mapping[str, Any]) -> None:
    """Raises UsageError unless a complete data_dir was made with these flags."""
    for name, facts in _facts(flags).items():
        _check_same(flags.data_dir, prepared.get(name, {}), facts)
    records.open_dataset(flags.data_dir)
    folder = flags.videos or flags.frames
    if not epath.Path(folder).exists():
        return
    if _fingerprint(list_clips(flags)) != prepared.get("clips"):
        raise UsageError(
            f"{flags.data_dir} holds the records of other clips than those now in "
            f"{folder}; delete it or choose another --data_dir"
        )


def register(flags: argparse.Namespace) -> None:
    """Creates the data_dir and its plan.json, or checks that those there are the same.

    Raises:
        UsageError: the data_dir was made with other settings, was not made by prepare,
            or lies inside a folder that is read.
    """
    data_dir = epath.Path(flags.data_dir)
    for name in ("videos", "frames", "flow"):
        given = getattr(flags, name)
        if given and epath.Path(_real(data_dir)).is_relative_to(_real(given)):
            raise UsageError(
                f"--data_dir={data_dir} lies inside --{name}={given}; choose another "
                "place"
            )
    plan = data_dir / CACHE / _PLAN
    facts = _facts(flags)["settings"]
    if plan.exists():
        remedy = f"delete {plan.parent} and run the same command again"
        _check_same(flags.data_dir, manifest.read(plan, remedy), facts)
        return
    if (data_dir / flags.dataset).exists():
        raise UsageError(
            f"{data_dir / flags.dataset} exists and prepare did not make it; "
            "choose another --data_dir"
        )
    plan.parent.mkdir(parents=True, exist_ok=True)
    # Several hosts may write it at once.
    manifest.write(plan, facts, draft=uuid.uuid4().hex)


def _facts(flags: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What a data_dir registers, without the list of its clips."""
    encoded = manifest.plain(dataclasses.asdict(settings(flags)))
    selection = ("dataset", "classes", "limit", "test_fraction", "seed")
    sources = {"frames": flags.frames, "flow": flags.flow}
    return {
        "settings": {name: value for name, value in encoded.items() if value != ""},
        "selection": manifest.plain({name: getattr(flags, name) for name in selection}),
        "sources": {name: _real(path) for name, path in sources.items() if path},
    }


def _check_same(
    data_dir: str, there: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    if different := manifest.differences(there, wanted):
        raise UsageError(
            f"{data_dir} was made with other arguments: {'; '.join(different)}; choose "
            "another --data_dir or delete it"
        )


def _fingerprint(chosen: listing.Listing) -> str:
    lines = [f"{clip.name} {' '.join(clip.membership)}" for clip in chosen.clips]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _real(path: epath.PathLike) -> str:
    """A local path without links."""
    return str(path) if files.is_remote(path) else os.path.realpath(path)
