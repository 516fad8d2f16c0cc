"""Listing of the user's own videos: one folder of clips for each class."""

import collections
import csv
import dataclasses
import math
from collections.abc import Sequence

from etils import epath

from stpn_jax.datasets import listing, official_splits
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import discovery

GROUPS = "groups.csv"
_PARTS = (official_splits.TRAIN, official_splits.TEST)


def list_clips(options: listing.Options) -> listing.Listing:
    """Clips at train/<class>/* and test/<class>/*, or at <class>/* without a split.

    Without a split, a seeded fraction of every class becomes the test part; a class of
    two clips or more has at least one clip in each part. A file groups.csv with the
    header `class,group` assigns classes to groups.

    Raises:
        UsageError: a folder is missing or has no clips.
    """
    videos = epath.Path(options.videos)
    has_parts = _has_parts(videos, options.clips_are_folders)
    clips: list[listing.Clip] = []
    unlisted: list[listing.LeftOut] = []
    for part in _PARTS if has_parts else _PARTS[:1]:
        below = f"{part}/" if has_parts else ""
        found, left_out = listing.find(videos / below, options.clips_are_folders)
        for path in found:
            label = path.parent.name
            name = f"{below}{label}/{path.name}"
            clips.append(listing.Clip(name, str(path), label, name, (part,)))
        unlisted += [(f"{below}{name}", reason) for name, reason in left_out]
    if not has_parts:
        clips = _hold_out(clips, options)
    if not clips:
        expected = f"video files ({' '.join(sorted(discovery.ENDINGS))})"
        if options.clips_are_folders:
            expected = "folders of frames"
        raise UsageError(f"{videos}: no {expected} in its class folders")
    classes = tuple(sorted({clip.label for clip in clips}))
    return listing.Listing(
        clips=listing.by_name(clips),
        classes=classes,
        groups=_read_groups(videos / GROUPS, classes),
        unlisted=tuple(unlisted),
    )


def is_sampled(listed: listing.Listing) -> bool:
    """Whether there are test clips, and `list_clips` sampled them."""
    tested = (c.name for c in listed.clips if c.membership == (official_splits.TEST,))
    return next(tested, "a/b/c").count("/") == 1


def _has_parts(videos: epath.Path, clips_are_folders: bool) -> bool:
    """Whether clips are at train/<class>/* and test/<class>/*.

    A folder `train` that has clips and no class folders is a class of that name.
    """
    having = [
        folder.name
        for folder in listing.class_folders(videos)
        if folder.name in _PARTS and _has_classes(folder, clips_are_folders)
    ]
    if len(having) == 1:
        (missing,) = set(_PARTS) - set(having)
        raise UsageError(
            f"{videos} has class folders in {having[0]}/ and none in {missing}/; give "
            "both, or put the class folders directly below it for a split by ratio"
        )
    return bool(having)


def _has_classes(part: epath.Path, clips_are_folders: bool) -> bool:
    below = [path for path in part.iterdir() if path.is_dir()]
    if not clips_are_folders:
        return bool(below)
    return any(
        path.is_dir() and path.name not in listing.FLOW_FOLDERS
        for folder in below
        for path in folder.iterdir()
    )


def _hold_out(
    clips: Sequence[listing.Clip], options: listing.Options
) -> list[listing.Clip]:
    """The clips, of which a fraction of every class becomes the test part."""
    fraction, by_class = options.test_fraction, collections.defaultdict(list)
    for clip in clips:
        by_class[clip.label].append(clip.name)
    test: set[str] = set()
    for names in by_class.values():
        rounded = math.floor(len(names) * fraction + 0.5)
        count = min(max(rounded, 1), len(names) - 1) if fraction else 0
        test |= set(official_splits.shuffled(names, str(options.seed))[:count])
    return [
        dataclasses.replace(clip, membership=(_PARTS[clip.name in test],))
        for clip in clips
    ]


def _read_groups(path: epath.Path, classes: tuple[str, ...]) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = list(csv.reader(path.read_text().splitlines()))
    if not lines or lines[0] != ["class", "group"]:
        raise UsageError(f"{path}: expected the header `class,group` in its first line")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != 2 or line[0] not in classes:
            raise UsageError(
                f"{path}, line {number}: expected `class,group` with one of the classes"
                f" {', '.join(classes)}; found {','.join(line)!r}"
            )
    return dict(lines[1:])
