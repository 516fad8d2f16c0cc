"""Which clips of a folder take part: class, source and place in the official splits."""

import dataclasses
import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from etils import epath

from stpn_jax.datasets import official_splits
from stpn_jax.prepare.precomputed import image_series
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import decoding


@dataclasses.dataclass(frozen=True)
class Clip:
    """One video file, or one folder of the images of a video.

    Attributes:
        name: path below the folder of videos, with '/'.
        path: the file or folder.
        label: its class.
        source: clips cut from one film share it, within a class.
        membership: train, test or none, for each official split.
    """

    name: str
    path: str
    label: str
    source: str
    membership: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Listing:
    """The clips of a folder.

    Attributes:
        clips: sorted by name.
        classes: in the order of their labels; all of the data set, with clips or not.
        groups: class -> group; empty without groups.
        unlisted: (name, reason) of files that take no part.
        absent: class -> clips of its lists without a file.
    """

    clips: tuple[Clip, ...]
    classes: tuple[str, ...]
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    unlisted: tuple[tuple[str, str], ...] = ()
    absent: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def splits(self) -> int:
        """Number of official splits."""
        return len(self.clips[0].membership)


def class_folders(videos: epath.PathLike) -> list[epath.Path]:
    """The folders of a folder, sorted.

    Raises:
        UsageError: it is missing, no folder, or has none.
    """
    videos = epath.Path(videos)
    if not videos.is_dir():
        raise UsageError(
            f"{videos}: there is no such folder; the one that has a folder of clips "
            "for each class is expected"
        )
    folders = sorted(p for p in videos.iterdir() if p.is_dir() and _is_shown(p))
    if not folders and (packed := sorted(videos.glob("*.rar"))):
        raise UsageError(
            f"{videos} has {len(packed)} .rar files ({packed[0].name} and so on) and "
            "no folders: unpack each there, as by `unar FILE` or `7z x FILE`"
        )
    if not folders:
        raise UsageError(
            f"{videos} has no folders: one folder of clips for each class is expected "
            "in it"
        )
    for folder in folders:
        if not _is_utf8(folder.name):
            raise UsageError(
                f"{videos}/{_readable(folder.name)}: the name of this class is not "
                "UTF-8; rename the folder"
            )
    return folders


def clips_in(
    folder: epath.Path, folders: bool
) -> tuple[list[epath.Path], list[tuple[str, str]]]:
    """The clips of a class, sorted, and (name, reason) of what is left out.

    Args:
        folder: of the class.
        folders: whether clips are folders of images and no video files.
    """
    clips, others = [], []
    for path in sorted(filter(_is_shown, folder.iterdir())):
        if reason := _why_not(path, folders):
            others.append((f"{folder.name}/{_readable(path.name)}", reason))
        else:
            clips.append(path)
    return clips, others


def official(
    videos: epath.PathLike,
    lists: official_splits.OfficialLists,
    source: Callable[[str, str], str],
    folders: bool = False,
) -> Listing:
    """Clips that are in the official lists, with the place those give them.

    Args:
        videos: folder of <class>/<clip>, or one above it, as archives unpack. Where
            clips are folders they may lie there directly, without their class.
        lists: of the data set.
        source: (class, listed file name) -> source.
        folders: whether clips are folders of images and no video files.

    Raises:
        UsageError: no clip is in the lists.
    """
    videos = _holding_classes(epath.Path(videos), lists.classes)
    matcher = official_splits.Matcher(lists)
    clips: dict[tuple[str, str], Clip] = {}
    found, unlisted = _candidates(videos, matcher, lists.classes, folders)
    found.sort(key=lambda one: (one[0], _file_name(one[1])) not in lists.membership)
    for label, path in found:
        name = f"{label}/{path.name}"
        entry = matcher.find(label, _file_name(path))
        if entry is None:
            unlisted.append((name, "it is in no split list"))
        elif entry in clips:
            unlisted.append((name, f"the lists mean {clips[entry].name} already"))
        elif set(lists.membership[entry]) == {official_splits.NONE}:
            unlisted.append((name, "no official split uses it"))
        else:
            clips[entry] = Clip(
                name, str(path), entry[0], source(*entry), lists.membership[entry]
            )
    if not clips:
        raise UsageError(
            f"{videos}: none of its {len(unlisted)} clips is in the split lists; are "
            "the clips and --splits of the same data set?"
        )
    return Listing(
        clips=_sorted(clips.values()),
        classes=lists.classes,
        unlisted=tuple(sorted(unlisted)),
        absent=_absent(lists, clips),
    )


def _candidates(
    videos: epath.Path,
    matcher: official_splits.Matcher,
    classes: Sequence[str],
    folders: bool,
) -> tuple[list[tuple[str, epath.Path]], list[tuple[str, str]]]:
    """(class, clip) of all there are, and (name, reason) of what is left out."""
    below = class_folders(videos)
    if folders and not any(path.name in classes for path in below):
        pairs = [(matcher.find_class(_file_name(path)), path) for path in below]
        return (
            [(label, path) for label, path in pairs if label],
            [(p.name, "it is in no split list") for label, p in pairs if not label],
        )
    found, unlisted = [], []
    for folder in below:
        clips, others = clips_in(folder, folders)
        found += [(folder.name, path) for path in clips]
        unlisted += others
    return found, unlisted


def _holding_classes(videos: epath.Path, classes: Sequence[str]) -> epath.Path:
    """The folder itself, or the one folder in it that has class folders instead."""

    def has_classes(folder: epath.Path) -> bool:
        return any(path.name in classes for path in folder.iterdir() if path.is_dir())

    if not videos.is_dir() or has_classes(videos):
        return videos
    having = [p for p in videos.iterdir() if p.is_dir() and has_classes(p)]
    return having[0] if len(having) == 1 else videos


def select(listing: Listing, classes: Sequence[str], limit: int) -> Listing:
    """The part of a listing that is to be prepared; classes without clips drop out.

    Args:
        listing: all there is.
        classes: names, or none for all.
        limit: number of clips, taken evenly from the classes and their training and
            test parts; 0 for all.

    Raises:
        UsageError: an unknown class, or one without clips.
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
        clips=_sorted(clips),
        classes=kept,
        groups={name: listing.groups[name] for name in kept if name in listing.groups},
        absent={name: listing.absent[name] for name in kept if name in listing.absent},
    )


def _evenly(clips: Sequence[Clip]) -> list[Clip]:
    """Clips in an order of which every beginning is spread over classes and parts."""
    parts: dict[tuple[str, str], list[Clip]] = {}
    by_name = {clip.name: clip for clip in clips}
    for name in official_splits.shuffled(by_name, "limit"):
        clip = by_name[name]
        parts.setdefault((clip.label, clip.membership[0]), []).append(clip)
    rounds = itertools.zip_longest(*(parts[key] for key in sorted(parts)))
    return [clip for turn in rounds for clip in turn if clip is not None]


def _absent(
    lists: official_splits.OfficialLists, clips: Mapping[tuple[str, str], Clip]
) -> dict[str, int]:
    absent = dict.fromkeys(lists.classes, 0)
    for entry in lists.membership:
        absent[entry[0]] += entry not in clips
    return absent


def _sorted(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    return tuple(sorted(clips, key=lambda clip: clip.name))


def _why_not(path: epath.Path, folders: bool) -> str:
    """Why something in a class's folder is no clip; empty if it is one."""
    if not _is_utf8(path.name):
        return "its name is not UTF-8: rename it"
    if folders:
        if not path.is_dir():
            return "it is no folder of frames"
        is_component = path.name in image_series.COMPONENTS
        return "it holds a component of flow" if is_component else ""
    if path.is_dir():
        return "it is a folder: clips lie directly in the folder of their class"
    if path.suffix.lower() not in decoding.ENDINGS:
        return f"{path.suffix or 'it'} is no video ending"
    return ""


def _file_name(path: epath.Path) -> str:
    """The lists name video files, also where only what was extracted is at hand."""
    return path.name if path.suffix.lower() in decoding.ENDINGS else f"{path.name}.avi"


def _is_utf8(name: str) -> bool:
    """Whether a name can be written down; Python reads other bytes as surrogates."""
    return _readable(name) == name


def _readable(name: str) -> str:
    return name.encode(errors="backslashreplace").decode()


def _is_shown(path: epath.Path) -> bool:
    return not path.name.startswith(".")
