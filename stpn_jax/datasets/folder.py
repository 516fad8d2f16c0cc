"""Videos of one's own: a folder of clips for each class."""

import csv
import dataclasses
import math

from etils import epath

from stpn_jax.datasets import listing, official_splits, video_records
from stpn_jax.prepare.precomputed import image_series
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import decoding

GROUPS = "groups.csv"
_PARTS = (official_splits.TRAIN, official_splits.TEST)
_Found = tuple[list[listing.Clip], list[tuple[str, str]]]


class Folder(video_records.VideoRecords, skip_registration=True):  # type: ignore[call-arg]
    """Frames and TV-L1 flow of a folder of videos, one example a video."""

    @staticmethod
    def list_clips(options: video_records.Options) -> listing.Listing:
        """Clips at train/<class>/* and test/<class>/*, or at <class>/* without a split.

        Without a split, a seeded fraction of every class becomes the test part; a
        class of two clips or more has one in each part. A file groups.csv with the
        header `class,group` puts the classes into groups.

        Raises:
            UsageError: a folder is missing or has no clips.
        """
        videos = epath.Path(options.videos)
        if _has_parts(videos, options.folders):
            clips, unlisted = _split_by_folder(options)
        else:
            clips, unlisted = _split_by_ratio(options)
        if not clips:
            expected = (
                "folders of frames"
                if options.folders
                else f"video files ({' '.join(sorted(decoding.ENDINGS))})"
            )
            raise UsageError(f"{videos}: no {expected} in its class folders")
        classes = tuple(sorted({clip.label for clip in clips}))
        return listing.Listing(
            clips=tuple(sorted(clips, key=lambda clip: clip.name)),
            classes=classes,
            groups=_read_groups(videos / GROUPS, classes),
            unlisted=tuple(unlisted),
        )


def _has_parts(videos: epath.Path, clips_are_folders: bool) -> bool:
    """Whether clips are at train/<class>/* and test/<class>/*.

    A folder `train` that has clips and no classes is a class of that name.
    """
    folders = {folder.name: folder for folder in listing.class_folders(videos)}
    having = [
        part
        for part in _PARTS
        if part in folders and _has_classes(folders[part], clips_are_folders)
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
        path.is_dir() and path.name not in image_series.COMPONENTS
        for folder in below
        for path in folder.iterdir()
    )


def _split_by_folder(options: video_records.Options) -> _Found:
    clips, unlisted = [], []
    for part in _PARTS:
        found, others = _find(options, f"{part}/", (part,))
        clips += found
        unlisted += others
    return clips, unlisted


def _split_by_ratio(options: video_records.Options) -> _Found:
    clips, unlisted = _find(options, "", (official_splits.TRAIN,))
    fraction, seed = options.test_fraction, str(options.seed)
    by_class: dict[str, list[str]] = {}
    for clip in clips:
        by_class.setdefault(clip.label, []).append(clip.name)
    test = {
        name
        for names in by_class.values()
        for name in official_splits.shuffled(names, seed)[
            : _share(len(names), fraction)
        ]
    }
    training = [clip for clip in clips if clip.name not in test]
    held_out = [
        dataclasses.replace(clip, membership=(official_splits.TEST,))
        for clip in clips
        if clip.name in test
    ]
    return training + held_out, unlisted


def _share(clips: int, fraction: float) -> int:
    """Test clips of a class: rounded, but one at least and one less than all."""
    if not fraction:
        return 0
    return min(max(math.floor(clips * fraction + 0.5), 1), clips - 1)


def _find(
    options: video_records.Options, part: str, membership: tuple[str, ...]
) -> _Found:
    """Clips and other files at <part><class>/*."""
    clips, unlisted = [], []
    for class_folder in listing.class_folders(epath.Path(options.videos) / part):
        found, others = listing.clips_in(class_folder, options.folders)
        label = class_folder.name
        for path in found:
            name = f"{part}{label}/{path.name}"
            clips.append(listing.Clip(name, str(path), label, name, membership))
        unlisted += [(f"{part}{name}", reason) for name, reason in others]
    return clips, unlisted


def _read_groups(path: epath.Path, classes: tuple[str, ...]) -> dict[str, str]:
    if not path.exists():
        return {}
    rows = list(csv.reader(path.read_text().splitlines()))
    if not rows or rows[0] != ["class", "group"]:
        raise UsageError(f"{path}: expected the header `class,group` in its first line")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or row[0] not in classes:
            raise UsageError(
                f"{path}, line {line}: expected `class,group` with one of the classes "
                f"{', '.join(classes)}; found {','.join(row)!r}"
            )
    return dict(rows[1:])
