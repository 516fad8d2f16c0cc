"""Inspects finished records: counts, warnings, flow against frames, contact sheets."""

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from etils import epath
from jaxtyping import UInt8

from stpn_jax.datasets import official_splits
from stpn_jax.prepare import flow_check
from stpn_jax.records import records
from stpn_jax.utils import errors, wording
from stpn_jax.utils.errors import UsageError
from stpn_jax.video import flow_codec, image_files

_PARTS = (official_splits.TRAIN, official_splits.TEST, official_splits.NONE)
_MANY = 0.05  # share of saturated codes
_SHEET = 16  # clips of one contact sheet
_MEASURED = 100  # clips, at least, whose flow is checked


def inspect(
    data_dir: epath.PathLike,
    out: str,
    clips: int,
    seed: int,
    say: Callable[[str], None],
) -> None:
    """Prints counts and warnings, and draws contact sheets.

    The sheets show `clips` clips; 0 means one a class, and 16 at least. They are
    written to `out`, or beside the records if it is empty.
    """
    with errors.disk_errors(data_dir, "nothing is lost"):
        dataset = records.open_dataset(data_dir)
        for line in counts(dataset):
            say(line)
        clips = clips or max(_SHEET, len(dataset.meta.classes))
        checked = choose(dataset, max(clips, _MEASURED), seed)
        samples = (sample(dataset, video) for video in checked)
        measures = flow_check.measure(samples, dataset.meta.bound)
        say(f"in {len(checked)} clips: {measures}")
        for warning in warnings(dataset, measures):
            say(f"WARNING: {warning}")
    path = epath.Path(out or epath.Path(data_dir) / "contact_sheet.png")
    with errors.disk_errors(path.parent, "nothing is lost"):
        for sheet in write_contact_sheets(dataset, choose(dataset, clips, seed), path):
            say(f"wrote {sheet}")


def counts(dataset: records.Dataset) -> Iterator[str]:
    """Clips, frames and flows, and the clips of every class in split 1."""
    meta, frames = dataset.meta, dataset.num_frames
    width, height = meta.size
    yield (
        f"{meta.dataset}: {wording.counted(len(dataset), 'clip')} of "
        f"{wording.counted(len(meta.classes), 'class')}, "
        f"{frames.sum()} frames and {frames.sum() - len(dataset)} flows of "
        f"{width}x{height}, bound {meta.bound:g} pixels"
    )
    middle = f"median {np.median(frames):.0f}"
    yield f"frames a clip: {frames.min()} to {frames.max()}, {middle}"
    for split in range(meta.splits):
        parts = Counter(place[split] for place in dataset.membership)
        listed = ", ".join(f"{count} {part}" for part, count in sorted(parts.items()))
        yield f"split {split + 1}: {listed}"
    yield "training and test clips of each class in split 1:"
    yield from _columns([_of_class(dataset, i) for i in range(len(meta.classes))])


def warnings(dataset: records.Dataset, measures: flow_check.Measures) -> Iterator[str]:
    """What may be wrong with the records, in a line each."""
    still = f"{measures.still:.0%} of the flow images"
    if measures.is_still:
        yield f"hardly anything moves: {still} are still"
    else:
        yield from measures.misfits()
        if measures.still > 0.5:
            yield f"{still} show no motion at all"
    if measures.saturated > _MANY:
        yield (
            f"{measures.saturated:.0%} of the flow's codes are at an end of their "
            "range: the bound is small for these videos"
        )
    yield from missing_parts(dataset)


def missing_parts(dataset: records.Dataset) -> Iterator[str]:
    """Classes without training or without test clips, a line for each split."""
    for split in range(dataset.meta.splits):
        for part in (official_splits.TRAIN, official_splits.TEST):
            places = zip(dataset.labels, dataset.membership, strict=True)
            there = {int(label) for label, place in places if place[split] == part}
            names = [c for i, c in enumerate(dataset.meta.classes) if i not in there]
            if names:
                yield (
                    f"split {split + 1}: no {part} clips of {len(names)} of "
                    f"{len(dataset.meta.classes)} classes: "
                    f"{textwrap.shorten(', '.join(names), 60)}"
                )


def choose(dataset: records.Dataset, count: int, seed: int = 0) -> list[int]:
    """Samples clips evenly over classes and their parts of split 1, in class order.

    A larger count contains the clips of a smaller one; count may exceed what is there.
    """
    by_class: dict[int, dict[str, list[int]]] = {}
    for index in official_splits.shuffled(map(str, range(len(dataset))), str(seed)):
        video = int(index)
        parts = by_class.setdefault(int(dataset.labels[video]), {})
        parts.setdefault(dataset.membership[video][0], []).append(video)

    def in_turns(label: int, parts: dict[str, list[int]]) -> list[int]:
        first = -label % len(_PARTS)  # Neighbouring classes begin with other parts.
        order = _PARTS[first:] + _PARTS[:first]
        return official_splits.in_rounds(parts.get(part, []) for part in order)

    clips = official_splits.in_rounds(in_turns(*one) for one in by_class.items())
    return sorted(clips[:count], key=lambda video: (dataset.labels[video], video))


def sample(dataset: records.Dataset, video: int) -> flow_check.Sample:
    """Frames and flow at positions spread evenly over a clip; UsageError if damaged."""
    width, height = dataset.meta.size

    def decode(files: Sequence[bytes], mode: int) -> UInt8[np.ndarray, "t y x *c"]:
        images = [image_files.decode(file, mode) for file in files]
        if any(image.shape[:2] != (height, width) for image in images):
            raise UsageError(
                f"clip {dataset.names[video]}: an image in the records is not a JPEG "
                f"of {width}x{height}: delete the data_dir and prepare it again"
            )
        return np.stack(images)

    at = flow_check.positions(0, int(dataset.num_frames[video]) - 2)
    components = dataset.flows(video, at)
    return flow_check.Sample(
        decode(dataset.frames(video, at), cv2.IMREAD_COLOR_RGB),
        decode(dataset.frames(video, at + 1), cv2.IMREAD_COLOR_RGB),
        np.stack([decode(files, cv2.IMREAD_GRAYSCALE) for files in components], -1),
    )


def write_contact_sheets(
    dataset: records.Dataset, videos: Sequence[int], path: epath.Path
) -> Iterator[epath.Path]:
    """Draws clips; several sheets get a number in the name. Yields each file."""
    # Imported here: preparation uses this module without drawing.
    from stpn_jax.figures import contact_sheet, images

    meta = dataset.meta
    width, height = meta.size
    pages = np.array_split(np.asarray(videos), math.ceil(len(videos) / _SHEET))
    for number, page in enumerate(map(np.ndarray.tolist, pages), 1):
        samples = [sample(dataset, video) for video in page]
        codes = (one.codes for one in samples)
        flows = [np.asarray(flow_codec.dequantise(c, meta.bound)) for c in codes]
        fastest = [np.quantile(np.linalg.norm(u, axis=-1), 0.99) for u in flows]
        # The median clip has its full colours, however fast the fastest one is.
        limit = max(1.0, float(np.median(fastest)))
        rows = [
            contact_sheet.Row(
                meta.classes[dataset.labels[video]],
                (
                    f"splits: {' '.join(dataset.membership[video])}",
                    f"{dataset.num_frames[video]} frames",
                    flow_check.measure([one], meta.bound).explanation,
                    dataset.names[video],
                ),
                one.frames,
                images.flow_colours(u, limit),
            )
            for video, one, u in zip(page, samples, flows, strict=True)
        ]
        title = (
            f"{meta.dataset}\n{width}x{height}, bound {meta.bound:g} px\n"
            f"sheet {number} of {len(pages)}"
        )
        file = path if len(pages) == 1 else path.with_stem(f"{path.stem}_{number}")
        file.write_bytes(contact_sheet.draw(title, rows, limit))
        yield file


def _of_class(dataset: records.Dataset, label: int) -> str:
    places = zip(dataset.labels, dataset.membership, strict=True)
    parts = Counter(place[0] for own, place in places if own == label)
    name = textwrap.shorten(dataset.meta.classes[label], 24, placeholder="...")
    return f"{name} {parts[official_splits.TRAIN]} {parts[official_splits.TEST]}"


def _columns(cells: Sequence[str]) -> Iterator[str]:
    width = max(map(len, cells)) + 2
    per_line = max(1, 88 // width)
    for start in range(0, len(cells), per_line):
        line = "".join(cell.ljust(width) for cell in cells[start : start + per_line])
        yield f"  {line}".rstrip()
