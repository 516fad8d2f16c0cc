"""Classes and official splits of the data sets, and the validation part of a split."""

import dataclasses
import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from etils import epath
from jaxtyping import Int64

from stpn_jax.records import records
from stpn_jax.utils.errors import UsageError

SPLITS = (1, 2, 3)
"""The official splits of UCF101 and HMDB51."""

TRAIN, TEST, NONE = "train", "test", "none"
T = TypeVar("T")
_HMDB51_MEMBERSHIP = {"0": NONE, "1": TRAIN, "2": TEST}


@dataclasses.dataclass(frozen=True)
class OfficialLists:
    """The content of a data set's split lists.

    Files are found by exact name, then by letters and digits only: copies of the data
    sets differ from their lists in characters such as '#' and '@'.
    """

    classes: tuple[str, ...]  # in label order
    membership: Mapping[tuple[str, str], tuple[str, ...]]
    """(class, file name) -> train, test or none for each split."""
    source: Callable[[str, str], str]
    """(class, file name) -> the recording that a clip was cut from."""

    def find(self, label: str, name: str) -> tuple[str, str] | None:
        """The (class, file name) in the lists that matches, if one does."""
        if (label, name) in self.membership:
            return label, name
        return self._by_key.get(_key(label, name))

    def find_class(self, name: str) -> str | None:
        """The class of a file name, if only one class has it."""
        return self._class_by_key.get(_key(name))

    @functools.cached_property
    def _by_key(self) -> dict[str, tuple[str, str]]:
        return _unambiguous((_key(*entry), entry) for entry in self.membership)

    @functools.cached_property
    def _class_by_key(self) -> dict[str, str]:
        return _unambiguous((_key(name), label) for label, name in self.membership)


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of videos, ascending; the parts are disjoint."""

    train: Int64[np.ndarray, "train"]
    validation: Int64[np.ndarray, "validation"]
    test: Int64[np.ndarray, "test"]


def ucf101(splits: epath.PathLike) -> OfficialLists:
    """Reads classInd.txt, trainlist01..03.txt and testlist01..03.txt."""
    archive = "UCF101TrainTestSplits-RecognitionTask.zip"
    folder = _list_folder(splits, "ucf101", "classInd.txt", archive)
    classes = [line.split()[1] for line in _lines(folder / "classInd.txt")]
    marks = (
        ((label, name), split, part)
        for split in SPLITS
        for part in (TRAIN, TEST)
        for line in _lines(folder / f"{part}list{split:02d}.txt")
        for label, _, name in [line.split(" ")[0].partition("/")]
    )
    return _lists(classes, marks, lambda label, name: ucf101_source(name))


def hmdb51(splits: epath.PathLike) -> OfficialLists:
    """Reads <class>_test_split1..3.txt, where 1 is training, 2 test, 0 neither."""
    ending = "_test_split1.txt"
    folder = _list_folder(splits, "hmdb51", f"*{ending}", "test_train_splits.rar")
    classes = sorted(p.name.removesuffix(ending) for p in folder.glob(f"*{ending}"))
    if not classes:
        raise UsageError(f"{folder}: there are no lists of HMDB51 (<class>{ending})")
    marks = (
        ((label, name), split, _HMDB51_MEMBERSHIP[mark])
        for label in classes
        for split in SPLITS
        for line in _lines(folder / f"{label}_test_split{split}.txt")
        for name, mark in [line.rsplit(maxsplit=1)]
    )
    return _lists(classes, marks, lambda label, name: hmdb51_source(name, label))


def ucf101_source(name: str) -> str:
    """The recording of `v_Archery_g01_c02.avi`: Archery_g01."""
    match = re.fullmatch(r"v_(.+_g\d+)_c\d+\.\w+", name)
    return match[1] if match else name


def hmdb51_source(name: str, label: str) -> str:
    """The source of `RATRACE_wave_f_nm_np1_fr_goo_37.avi`: RATRACE."""
    source, found, _ = name.rpartition(f"_{label}_")
    return source if found else name


def source_of(video: str, label: str) -> str:
    """The recording of a clip of either data set by its path; else the path."""
    name = video.rpartition("/")[2]
    source = hmdb51_source(ucf101_source(name), label)
    return video if source == name else source


def unpacked(folder: epath.Path, is_wanted: Callable[[epath.Path], bool]) -> epath.Path:
    """The folder itself, or the only wanted folder in it: archives often add one."""
    if not folder.is_dir() or is_wanted(folder):
        return folder
    found = [path for path in folder.iterdir() if path.is_dir() and is_wanted(path)]
    return found[0] if len(found) == 1 else folder


def shuffled(texts: Iterable[str], seed: str) -> list[str]:
    """Texts in the order of their seeded hashes.

    The order depends on no version of Python or NumPy and not on the other texts.
    """

    def digest(text: str) -> bytes:
        return hashlib.sha256(f"{seed}/{text}".encode()).digest()

    return sorted(texts, key=digest)


def in_rounds(lists: Iterable[Iterable[T]]) -> list[T]:
    """The first items of all lists, then the second items, and so on."""
    turns = itertools.zip_longest(*lists)
    return [item for turn in turns for item in turn if item is not None]


def split_videos(
    dataset: records.Dataset, split: int, fraction: float, seed: int, fold: int = 0
) -> Split:
    """The parts of an official split, with a validation part cut from training.

    Validation takes whole sources, because clips of one recording are near copies. In
    each class it takes sources up to the fraction of the training clips; of two sources
    or more it takes at least one and leaves at least one. The choice in a class depends
    only on the seed and the class. Other folds take the next sources, so they have no
    clip in common; where a class has no more sources, a fold has none of it.

    Splits are counted from 1, folds from 0; fraction 0 makes no validation part.

    Raises:
        UsageError: there is no such split, or it has no training or no test videos.
    """
    if not 1 <= split <= dataset.meta.splits:
        raise UsageError(
            f"data.split = {split}: {dataset.meta.dataset} has the splits 1 to "
            f"{dataset.meta.splits}"
        )
    part = np.array([membership[split - 1] for membership in dataset.membership])
    training = np.flatnonzero(part == TRAIN)
    held_out: list[int] = []
    for label, name in enumerate(dataset.meta.classes if fraction > 0 else ()):
        videos = training[dataset.labels[training] == label]
        sources = [(int(video), dataset.sources[video]) for video in videos]
        held_out += _held_out(sources, fraction, f"{seed}/{name}", fold)
    parts = Split(
        train=np.setdiff1d(training, held_out),
        validation=np.array(sorted(held_out), np.int64),
        test=np.flatnonzero(part == TEST),
    )
    for kind in (TRAIN, TEST):
        if not len(getattr(parts, kind)):
            raise UsageError(
                f"split {split} has no {kind} videos among the {len(dataset)} that "
                "were prepared; prepare more of them"
            )
    return parts


def _held_out(
    videos: Iterable[tuple[int, str]], fraction: float, seed: str, fold: int
) -> list[int]:
    """Whole sources of one class's (video, source) pairs, up to the fraction."""
    clips: dict[str, list[int]] = {}
    for video, source in videos:
        clips.setdefault(source, []).append(video)
    wanted = fraction * sum(map(len, clips.values()))
    order = shuffled(clips, seed)
    chosen: list[int] = []
    for current in range(fold + 1):
        chosen = []
        while len(order) > (current == 0):  # One source is left to train on.
            if chosen and len(chosen) + len(clips[order[0]]) > wanted:
                break
            chosen += clips[order.pop(0)]
    return chosen


def _lists(
    classes: Iterable[str],
    marks: Iterable[tuple[tuple[str, str], int, str]],
    source: Callable[[str, str], str],
) -> OfficialLists:
    """From ((class, file name), split, part) of every line."""
    parts: dict[tuple[str, str], dict[int, str]] = {}
    for entry, split, part in marks:
        parts.setdefault(entry, dict.fromkeys(SPLITS, NONE))[split] = part
    membership = {entry: tuple(found.values()) for entry, found in parts.items()}
    return OfficialLists(tuple(classes), membership, source)


def _list_folder(
    splits: epath.PathLike, dataset: str, pattern: str, archive: str
) -> epath.Path:
    if not splits:
        raise UsageError(
            f"--dataset={dataset} needs --splits=DIR, the folder with {pattern} and so "
            f"on ({archive})"
        )
    return unpacked(epath.Path(splits), lambda folder: any(folder.glob(pattern)))


def _lines(path: epath.Path) -> list[str]:
    """The lines of a list that are not blank; line ends are LF or CRLF."""
    if not path.exists():
        raise UsageError(
            f"{path}: the split list is missing; --splits takes the folder of the "
            "official lists"
        )
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _key(*parts: str) -> str:
    return "/".join(re.sub("[^a-z0-9]", "", part.lower()) for part in parts)


def _unambiguous(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The values of keys that have only one value."""
    found: dict[str, set[T]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return {key: values.pop() for key, values in found.items() if len(values) == 1}
