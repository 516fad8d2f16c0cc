"""The schema of the records: their fields, their index, and the open dataset.

A record is one video: a tf.train.Example of

    name        text    path below the folder of videos, unique
    label       int     class index
    group       text    group of its class, for scores by group; may be empty
    source      text    clips of one recording share it
    num_frames  int     n
    frames      n     x JPEG, RGB
    flow_x      n - 1 x JPEG, grey: the flow from each frame to the next, quantised
    flow_y      n - 1 x JPEG, grey

in TFRecord files named after the video's membership of the official splits, such as
`train_test_none`. `index.npz` holds the byte range of every JPEG and `dataset.json`
the rest, so that any image takes one read of a plain TFRecord file.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Int, Int32

from stpn_jax.records import byte_ranges
from stpn_jax.utils import manifest
from stpn_jax.utils.errors import UsageError

VERSION = "1.0.0"
IMAGES = ("frames", "flow_x", "flow_y")
INDEX = "index.npz"
DESCRIPTION = "dataset.json"
PREPARE = "stpn prepare --dataset=DATASET --videos=VIDEOS"
_PLACES = ("shards", "shard_bytes", "shard", "record")
_COLUMNS = ("name", "label", "group", "source", "num_frames", "membership")


@dataclasses.dataclass(frozen=True)
class Meta:
    """What the videos of a data_dir have in common.

    Attributes:
        dataset: ucf101, hmdb51 or folder.
        classes: class names in the order of their labels.
        groups: class name -> group; empty without groups.
        size: width and height of frames and flow in pixels.
        bound: displacement in pixels that is quantised to 255.
        splits: number of official splits.
        flow: parameters of TV-L1; empty where another program computed the flow.
        jpeg_quality: of frames and flow.
        version: of this schema.
    """

    dataset: str
    classes: tuple[str, ...]
    groups: dict[str, str]
    size: tuple[int, int]
    bound: float
    splits: int
    flow: dict[str, float]
    jpeg_quality: int
    version: str = VERSION


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """The videos of a data_dir, sorted by name, with random access to their images.

    Attributes:
        meta: as above.
        names: path of each video below the folder it was prepared from.
        labels: class index.
        groups: group of the class, or empty.
        sources: the recording that a clip was cut from.
        membership: train, test or none, for each official split.
        num_frames: frames of each video; it has one flow less.
        images: byte ranges of the JPEG files, by feature.
    """

    meta: Meta
    names: tuple[str, ...]
    labels: Int32[np.ndarray, "n"]
    groups: tuple[str, ...]
    sources: tuple[str, ...]
    membership: tuple[tuple[str, ...], ...]
    num_frames: Int32[np.ndarray, "n"]
    images: Mapping[str, byte_ranges.Ranges] = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def digest(self) -> str:
        """SHA-256 of the list of videos and the sizes of their images."""
        listed = (self.names, self.labels.tolist(), self.membership)
        found = hashlib.sha256(json.dumps(listed).encode())
        for _, images in sorted(self.images.items()):
            found.update(images.spans[:, 1].tobytes())
        return found.hexdigest()

    def digest_of(self, videos: Int[np.ndarray, "n"]) -> str:
        """The same of some videos, whatever else is in the data set."""
        listed = [self.names[video] for video in videos], self.labels[videos].tolist()
        found = hashlib.sha256(json.dumps(listed).encode())
        for _, images in sorted(self.images.items()):
            for video in videos:
                found.update(images.sizes(int(video)).tobytes())
        return found.hexdigest()

    def frames(self, video: int, positions: byte_ranges.Positions) -> list[bytes]:
        """JPEG files of the RGB frames at these positions."""
        return self.images["frames"].read(video, positions)

    def flows(
        self, video: int, positions: byte_ranges.Positions
    ) -> tuple[list[bytes], list[bytes]]:
        """JPEG files of the flow, x and y; position i leads from frame i to i + 1."""
        x, y = self.images["flow_x"], self.images["flow_y"]
        return x.read(video, positions), y.read(video, positions)


def write_index(
    data_dir: epath.PathLike,
    meta: Meta,
    shards: Mapping[str, Sequence[epath.PathLike]],
    prepared: Mapping[str, Any],
) -> None:
    """Writes index.npz and dataset.json beside finished TFRecord files.

    A data_dir is complete once it has dataset.json. `shards` has the files of each
    membership such as `train_none_test`; `prepared` says how they were made.
    """
    data_dir = epath.Path(data_dir)
    paths = [(s, epath.Path(path)) for s, shard in shards.items() for path in shard]
    entries = [
        {"shard": shard, "membership": split.split("_"), **entry}
        for shard, (split, path) in enumerate(paths)
        for entry in _read_entries(path)
    ]
    entries.sort(key=lambda entry: entry["name"])
    arrays = {
        "shards": np.array([str(path.relative_to(data_dir)) for _, path in paths]),
        "shard_bytes": np.array([path.stat().length for _, path in paths], np.int64),
        **{k: np.array([e[k] for e in entries]) for k in entries[0] if k not in IMAGES},
        **{k: np.concatenate([entry[k] for entry in entries]) for k in IMAGES},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    (data_dir / INDEX).write_bytes(buffer.getvalue())
    description = {"meta": dataclasses.asdict(meta), "prepared": dict(prepared)}
    manifest.write(data_dir / DESCRIPTION, description)


def _read_entries(path: epath.Path) -> Iterator[dict[str, Any]]:
    """What the index keeps of each record of a file."""
    for record, data in byte_ranges.read_records(path, verify=True):
        values: dict[str, Any] = byte_ranges.parse_example(data)
        entry: dict[str, Any] = {"record": record}
        for key in ("name", "group", "source"):
            ((start, size),) = values[key]
            entry[key] = data[start : start + size].decode()
        entry |= {key: np.int32(values[key][0]) for key in ("label", "num_frames")}
        yield entry | {k: np.array(values[k], np.uint32).reshape(-1, 2) for k in IMAGES}


def read_description(data_dir: epath.PathLike) -> dict[str, Any] | None:
    """The content of dataset.json, or None where prepare has not finished."""
    path = epath.Path(data_dir) / DESCRIPTION
    if not path.exists():
        return None
    remedy = f"delete {data_dir} and prepare it again"
    try:
        content = manifest.read(path, remedy)
        return {name: dict(content[name]) for name in ("meta", "prepared")}
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: {error} is missing or damaged; {remedy}") from error


def open_dataset(
    data_dir: epath.PathLike, size: Sequence[int] | None = None, prepare: str = ""
) -> Dataset:
    """Opens records; messages quote the command `prepare` with a --data_dir.

    Raises:
        UsageError: there are no records, they are of another size, or damaged.
    """
    data_dir = epath.Path(data_dir)
    prepare = f"{prepare or PREPARE} --data_dir="
    command = f"{prepare}{data_dir}"
    description = read_description(data_dir)
    if description is None:
        raise UsageError(f"{data_dir} holds no records; make them with: {command}")
    meta = _meta(description["meta"], data_dir)
    if size is not None and tuple(size) != meta.size:
        found, expected = ("x".join(map(str, one)) for one in (meta.size, size))
        raise UsageError(
            f"{data_dir} holds records of {found} pixels where {expected} is expected; "
            "set config.data.data_dir to another folder, and make it with: "
            f"{prepare}{data_dir}_{expected}"
        )
    index = _load_index(data_dir, command)
    shards = byte_ranges.Files([data_dir / str(shard) for shard in index["shards"]])

    def ranges(key: str) -> byte_ranges.Ranges:
        counts = index["num_frames"] - (key != "frames")
        first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        place = shards, index["shard"], index["record"]
        return byte_ranges.Ranges(*place, first, spans=index[key])

    return Dataset(
        meta=meta,
        names=tuple(map(str, index["name"])),
        labels=index["label"],
        groups=tuple(map(str, index["group"])),
        sources=tuple(map(str, index["source"])),
        membership=tuple(tuple(map(str, row)) for row in index["membership"]),
        num_frames=index["num_frames"],
        images={key: ranges(key) for key in IMAGES},
    )


def verify(data_dir: epath.PathLike) -> int:
    """Compares every checksum of every record; returns the number of records.

    Raises:
        UsageError: there are none, or one is damaged; it names file and byte.
    """
    dataset = open_dataset(data_dir)
    paths = dataset.images["frames"].files.paths
    records = sum(1 for p in paths for _ in byte_ranges.read_records(p, verify=True))
    if records != len(dataset):
        raise UsageError(
            f"{data_dir}: {records} records where the index has {len(dataset)}; delete "
            "the folder and prepare it again"
        )
    return records


def _meta(fields: Mapping[str, Any], data_dir: epath.Path) -> Meta:
    if fields.get("version") != VERSION:
        raise UsageError(
            f"{data_dir}: records of version {fields.get('version')} where {VERSION} "
            "is expected; prepare another data_dir"
        )
    try:
        size, classes = tuple(fields["size"]), tuple(fields["classes"])
        return Meta(**{**fields, "size": size, "classes": classes})
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{data_dir / DESCRIPTION}: damaged ({error}); delete {data_dir} and "
            "prepare it again"
        ) from error


def _load_index(data_dir: epath.Path, command: str) -> dict[str, np.ndarray]:
    """The arrays of index.npz, once all shards have the sizes that it names."""
    remedy = f"delete {data_dir} and make it again with: {command}"
    path = data_dir / INDEX
    try:
        content = np.load(io.BytesIO(path.read_bytes()))
        index = {name: content[name] for name in (*_PLACES, *_COLUMNS, *IMAGES)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: missing or damaged; {remedy}") from error
    for shard, expected in zip(index["shards"], index["shard_bytes"], strict=True):
        path = data_dir / str(shard)
        found = path.stat().length if path.exists() else 0
        if found != expected:
            raise UsageError(
                f"{path}: {found} bytes where {expected} are expected; {remedy}"
            )
    return index
