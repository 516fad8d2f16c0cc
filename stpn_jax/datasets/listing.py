"""Which clips of a folder are prepared: class, source and place in the splits."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

from etils import epath

from stpn_jax.datasets import official_splits
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import discovery

FLOW_FOLDERS = frozenset({"flow_x", "flow_y", "flow_u", "flow_v"})
"""Folders of these names hold a flow component; they are not clips."""

LeftOut = tuple[str, str]
"""Name of a file that is not used, and the reason."""
ReadLists = Callable[[str], official_splits.OfficialLists]


@dataclasses.dataclass(frozen=True)
class Options:
    """Where the clips are, and how to split those without official splits."""

    videos: str  # folder of the clips
    splits: str  # folder of the official lists, or empty
    test_fraction: float  # share of each class's clips that is held out for testing
    seed: int  # samples those clips
    clips_are_folders: bool = False  # a clip is a folder of images, not a video file


@dataclasses.dataclass(frozen=True)
class Clip:
    """One video file, or one folder with the images of a video."""

    name: str  # path below the folder of videos, with '/'
    path: str
    label: str  # its class
    source: str  # the recording it was cut from; unique within a class
    membership: tuple[str, ...]  # train, test or none, for each official split


@dataclasses.dataclass(frozen=True)
class Listing:
    """The clips of a folder, sorted by name."""

    clips: tuple[Clip, ...]
    classes: tuple[str, ...]  # all of the data set in label order, even without clips
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Class -> group; empty without groups."""
    unlisted: tuple[LeftOut, ...] = ()  # files that are not used
    absent: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Class -> number of its listed clips without a file."""

    @property
    def splits(self) -> int:
        """Number of official splits."""
        return len(self.clips[0].membership)


def official(read_lists: ReadLists, options: Options) -> Listing:
    """The clips that are in the official lists.

    Clips are at <class>/<clip> below options.videos, or below the only folder in it
    that has class folders. Folders of images may also lie there without their class.

    Raises:
        UsageError: no clip is in the lists.
    """
    lists = read_lists(options.splits)

    def has_classes(folder: epath.Path) -> bool:
        inside = folder.iterdir()
        return any(path.is_dir() and path.name in lists.classes for path in inside)

    videos = official_splits.unpacked(epath.Path(options.videos), has_classes)
    clips: dict[tuple[str, str], Clip] = {}
    candidates, unlisted = _candidates(videos, lists, options.clips_are_folders)
    # Exact names come first: a similar name must not take their place.
    candidates.sort(key=lambda c: (c[0], _file_name(c[1])) not in lists.membership)
    for label, path in candidates:
        name = f"{label}/{path.name}"
        entry = lists.find(label, _file_name(path))
        if entry is None:
            unlisted.append((name, "it is in no split list"))
        elif entry in clips:
            unlisted.append((name, f"its list entry is {clips[entry].name} already"))
        elif set(lists.membership[entry]) == {official_splits.NONE}:
            unlisted.append((name, "no official split uses it"))
        else:
            source, membership = lists.source(*entry), lists.membership[entry]
            clips[entry] = Clip(name, str(path), entry[0], source, membership)
    if not clips:
        raise UsageError(
            f"{videos}: none of its {len(unlisted)} clips is in the split lists; are "
            "the clips and --splits of the same data set?"
        )
    absent = dict.fromkeys(lists.classes, 0)
    for entry in lists.membership:
        absent[entry[0]] += entry not in clips
    return Listing(
        clips=by_name(clips.values()),
        classes=lists.classes,
        unlisted=tuple(sorted(unlisted)),
        absent=absent,
    )


def select(listing: Listing, classes: Sequence[str], limit: int) -> Listing:
    """The part of a listing to prepare, without the classes that have no clips.

    Only these classes, if any are given; only `limit` clips, if it is not 0, spread
    evenly over classes and their training and test parts.

    Raises:
        UsageError: a class is unknown or has no clips.
    """
    for name in classes:
        if name not in listing.classes:
            near = difflib.get_close_matches(name, listing.classes, n=1, cutoff=0.0)
            raise UsageError(f"--classes: no class {name!r}; did you mean {near[0]}?")
    clips = [c for c in listing.clips if not classes or c.label in classes]
    if limit:
        clips = _evenly(clips)[:limit]
    found = {clip.label for clip in clips}
    if missing := [name for name in classes if name not in found and not limit]:
        raise UsageError(f"--classes: there are no clips of {', '.join(missing)}")
    kept = tuple(name for name in listing.classes if name in found)
    return dataclasses.replace(
        listing,
        clips=by_name(clips),
        classes=kept,
        groups={name: listing.groups[name] for name in kept if name in listing.groups},
        absent={name: listing.absent[name] for name in kept if name in listing.absent},
    )


def class_folders(videos: epath.Path) -> list[epath.Path]:
    """The class folders in a folder, sorted.

    Raises:
        UsageError: it is missing, is not a folder, or has no folders.
    """
    if not videos.is_dir():
        raise UsageError(
            f"{videos}: there is no such folder; expected a folder that has one folder "
            "of clips for each class"
        )
    listed = discovery.list_folder(videos)
    folders = [path for path, kind in listed if kind == "folder"]
    if not folders:
        remedy = "expected one folder of clips for each class"
        if packed := sorted(path.name for path in videos.glob("*.rar")):
            remedy = (
                f"and {len(packed)} .rar files ({packed[0]} and so on): unpack each "
                "there, as by `unar FILE` or `7z x FILE`"
            )
        raise UsageError(f"{videos} has no folders, {remedy}")
    for folder in folders:
        if _readable(folder.name) != folder.name:
            raise UsageError(
                f"{videos}/{_readable(folder.name)}: the name of this class is not "
                "UTF-8; rename the folder"
            )
    return folders


def find(
    videos: epath.Path, clips_are_folders: bool
) -> tuple[list[epath.Path], list[LeftOut]]:
    """The clips at <class>/*, sorted, and the files there that are left out."""
    clips, left_out = [], []
    for folder in class_folders(videos):
        for path, kind in discovery.list_folder(folder):
            if reason := _why_not_a_clip(path, kind, clips_are_folders):
                left_out.append((f"{folder.name}/{_readable(path.name)}", reason))
            else:
                clips.append(path)
    return clips, left_out


def by_name(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Clips sorted by name."""
    return tuple(sorted(clips, key=lambda clip: clip.name))


def _candidates(
    videos: epath.Path, lists: official_splits.OfficialLists, clips_are_folders: bool
) -> tuple[list[tuple[str, epath.Path]], list[LeftOut]]:
    """(class, path) of every clip, and the files that are left out."""
    below = class_folders(videos)
    if clips_are_folders and not any(path.name in lists.classes for path in below):
        pairs = [(lists.find_class(_file_name(path)), path) for path in below]
        return (
            [(label, path) for label, path in pairs if label],
            [(p.name, "it is in no split list") for label, p in pairs if not label],
        )
    clips, left_out = find(videos, clips_are_folders)
    return [(path.parent.name, path) for path in clips], left_out


def _evenly(clips: Sequence[Clip]) -> list[Clip]:
    """Clips in an order whose every beginning is spread over classes and parts."""
    parts: dict[tuple[str, str], list[Clip]] = {}
    clip_of = {clip.name: clip for clip in clips}
    for name in official_splits.shuffled(clip_of, "limit"):
        clip = clip_of[name]
        parts.setdefault((clip.label, clip.membership[0]), []).append(clip)
    return official_splits.in_rounds(parts[key] for key in sorted(parts))


def _why_not_a_clip(
    path: epath.Path, kind: discovery.Kind, clips_are_folders: bool
) -> str:
    """Why something in a class folder is not a clip; empty if it is one."""
    if _readable(path.name) != path.name:
        return "its name is not UTF-8: rename it"
    if clips_are_folders:
        if kind != "folder":
            return "it is not a folder of frames"
        return "it holds a flow component" if path.name in FLOW_FOLDERS else ""
    if kind == "folder":
        return "it is a folder: clips lie directly in the folder of their class"
    if kind != "video":
        return f"{path.suffix or 'it'} is not a video ending"
    return ""


def _file_name(path: epath.Path) -> str:
    """The name as in the lists, which name video files also for extracted frames."""
    return path.name if path.suffix.lower() in discovery.ENDINGS else f"{path.name}.avi"


def _readable(name: str) -> str:
    """The name itself if it is UTF-8; Python reads other bytes as surrogates."""
    return name.encode(errors="backslashreplace").decode()
