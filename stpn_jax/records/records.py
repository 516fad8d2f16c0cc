"""The schema of the records: what is written, how it is indexed, how it is read.

A record is one video: a tf.train.Example of

    name        text    path below the folder of videos, unique
    label       int     class index
    group       text    group of its class, for scores by group; may be empty
    source      text    clips cut from one film share it
    num_frames  int     n
    frames      n     x JPEG, RGB
    flow_x      n - 1 x JPEG, grey: the flow from each frame to the next, quantised
    flow_y      n - 1 x JPEG, grey

in TFRecord files named after the video's place in the official splits, such as
`train_test_none`. `index.npz` holds the byte range of every JPEG and `dataset.json`
the rest, so that any image is one read of a plain TFRecord away.
"""

import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Int, Int32

from stpn_jax.records import byte_ranges, tfrecord
from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError

VERSION = "1.0.0"
IMAGES = ("frames", "flow_x", "flow_y")
INDEX = "index.npz"
DESCRIPTION = "dataset.json"
_PLACES = ("shards", "shard_bytes", "shard", "record")
_COLUMNS = ("name", "label", "group", "source", "num_frames", "membership")
PREPARE = "python -m stpn_jax.prepare --dataset=DATASET --videos=VIDEOS"


@dataclasses.dataclass(frozen=True)
class Meta:
    """What holds for all the videos of a data_dir.

    Attributes:
        dataset: ucf101, hmdb51 or folder.
        classes: class names in the order of their labels.
        groups: class name -> group; empty without groups.
        size: width and height of frames and flow in pixels.
        bound: displacement in pixels that is quantised to 255; see data.flow.
        splits: number of official splits.
        flow: the parameters of TV-L1; empty where another program made the flow.
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
        meta: what they have in common.
        names: path of each video below the folder it was prepared from.
        labels: class index.
        groups: group of the class, or empty.
        sources: the film or recording a clip was cut from.
        membership: train, test or none, for each official split.
        num_frames: frames of each video; it has one flow less.
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
        """Tells these videos from others: SHA-256 of the list and the images' sizes."""
        listed = (self.names, self.labels.tolist(), self.membership)
        found = hashlib.sha256(json.dumps(listed).encode())
        for _, images in sorted(self.images.items()):
            found.update(np.ascontiguousarray(images.spans[:, 1]).tobytes())
        return found.hexdigest()

    def digest_of(self, videos: Int[np.ndarray, "n"]) -> str:
        """Tells some videos from others, whatever else is in the data set."""
        listed = [self.names[video] for video in videos], self.labels[videos].tolist()
        found = hashlib.sha256(json.dumps(listed).encode())
        for _, images in sorted(self.images.items()):
            for video in videos:
                found.update(np.ascontiguousarray(images.sizes(int(video))).tobytes())
        return found.hexdigest()

    def frames(
        self, video: int, positions: Sequence[int] | Int[np.ndarray, "n"]
    ) -> list[bytes]:
        """JPEG files of the RGB frames at these positions."""
        return self.images["frames"].read(video, positions)

    def flows(
        self, video: int, positions: Sequence[int] | Int[np.ndarray, "n"]
    ) -> tuple[list[bytes], list[bytes]]:
        """JPEG files of the flow, x and y; position i leads from frame i to i + 1."""
        return (
            self.images["flow_x"].read(video, positions),
            self.images["flow_y"].read(video, positions),
        )


def write_index(
    data_dir: epath.PathLike,
    meta: Meta,
    shards: Mapping[str, Sequence[epath.PathLike]],
    prepared: Mapping[str, Any],
) -> None:
    """Writes index.npz and dataset.json beside finished TFRecord files.

    dataset.json comes last: a data_dir that has it is complete.

    Args:
        data_dir: folder above the shards.
        meta: goes into dataset.json.
        shards: membership such as `train_none_test` -> its files.
        prepared: how the records were made; goes into dataset.json.
    """
    data_dir = epath.Path(data_dir)
    paths = [epath.Path(path) for files in shards.values() for path in files]
    splits = [split for split, files in shards.items() for _ in files]
    rows = [
        {"shard": shard, "membership": split.split("_"), **row}
        for shard, (path, split) in enumerate(zip(paths, splits, strict=True))
        for row in _rows(path)
    ]
    rows.sort(key=lambda row: row["name"])
    arrays = {
        "shards": np.array([str(path.relative_to(data_dir)) for path in paths]),
        "shard_bytes": np.array([path.stat().length for path in paths], np.int64),
        **{key: _column(rows, key) for key in rows[0] if key not in IMAGES},
        **{key: _spans(rows, key) for key in IMAGES},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    (data_dir / INDEX).write_bytes(buffer.getvalue())
    description = {"meta": dataclasses.asdict(meta), "prepared": dict(prepared)}
    files.write_whole(data_dir / DESCRIPTION, json.dumps(description, indent=2) + "\n")


def read_description(data_dir: epath.PathLike) -> dict[str, Any] | None:
    """The content of dataset.json, or None where prepare has not finished."""
    path = epath.Path(data_dir) / DESCRIPTION
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        return {name: dict(content[name]) for name in ("meta", "prepared")}
    except (ValueError, TypeError, KeyError) as error:
        raise _foreign(path, error) from error


def _foreign(path: epath.Path, error: Exception) -> UsageError:
    return UsageError(
        f"{path}: not the JSON that prepare wrote ({error}); delete {path.parent} and "
        "prepare it again"
    )


def open_dataset(
    data_dir: epath.PathLike, size: Sequence[int] | None = None, prepare: str = ""
) -> Dataset:
    """Opens the records that `python -m stpn_jax.prepare` wrote.

    Args:
        data_dir: the folder given to prepare.
        size: width and height in pixels that the caller expects, if any.
        prepare: the command that makes data_dir, quoted where it is of no use as it is.

    Raises:
        UsageError: there are no records, they are of another size, or damaged.
    """
    data_dir = epath.Path(data_dir)
    command = prepare or f"{PREPARE} --data_dir={data_dir}"
    description = read_description(data_dir)
    if description is None:
        raise UsageError(f"{data_dir} holds no records; make them with: {command}")
    meta = _meta(description["meta"], data_dir)
    if size is not None and tuple(size) != meta.size:
        raise UsageError(
            f"{data_dir} holds records of {_text(meta.size)} pixels where "
            f"{_text(size)} is expected; prepare another data_dir with: {command}"
        )
    index = _load_index(data_dir, command)
    _check_shards(data_dir, index, command)
    return _dataset(data_dir, meta, index)


def verify(data_dir: epath.PathLike) -> int:
    """Compares every checksum of every record.

    Returns:
        the number of records.

    Raises:
        UsageError: there are none, or one is damaged; it names file and byte.
    """
    dataset = open_dataset(data_dir)
    shards = _load_index(epath.Path(data_dir), PREPARE)["shards"]
    paths = [epath.Path(data_dir) / str(shard) for shard in shards]
    records = sum(1 for p in paths for _ in tfrecord.read_records(p, verify=True))
    if records != len(dataset):
        raise UsageError(
            f"{data_dir}: {records} records where the index has {len(dataset)}; delete "
            "the folder and prepare it again"
        )
    return records


def _rows(path: epath.Path) -> list[dict[str, Any]]:
    """What the index keeps of each record of a file."""
    rows = []
    for record in tfrecord.read_records(path, verify=True):
        values: dict[str, Any] = tfrecord.parse_example(record.data)
        row: dict[str, Any] = {"record": record.start}
        for key in ("name", "group", "source"):
            (span,) = values[key]
            row[key] = record.data[span.start : span.start + span.size].decode()
        row |= {key: values[key][0] for key in ("label", "num_frames")}
        row |= {key: np.array(values[key], np.uint32) for key in IMAGES}
        rows.append(row)
    return rows


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    column = np.array([row[key] for row in rows])
    return column.astype(np.int32) if key in ("label", "num_frames") else column


def _spans(rows: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    return np.concatenate([row[key].reshape(-1, 2) for row in rows])


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
        raise _foreign(data_dir / DESCRIPTION, error) from error


def _load_index(data_dir: epath.Path, command: str) -> dict[str, np.ndarray]:
    try:
        with (data_dir / INDEX).open("rb") as file:
            content = np.load(io.BytesIO(file.read()))
            return {name: content[name] for name in (*_PLACES, *_COLUMNS, *IMAGES)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{data_dir / INDEX}: missing or damaged; delete {data_dir} and make it "
            f"again with: {command}"
        ) from error


def _check_shards(
    data_dir: epath.Path, index: Mapping[str, np.ndarray], command: str
) -> None:
    for shard, expected in zip(index["shards"], index["shard_bytes"], strict=True):
        path = data_dir / str(shard)
        found = path.stat().length if path.exists() else 0
        if found != expected:
            raise UsageError(
                f"{path}: {found} bytes where {expected} are expected; delete "
                f"{data_dir} and make it again with: {command}"
            )


def _dataset(
    data_dir: epath.Path, meta: Meta, index: Mapping[str, np.ndarray]
) -> Dataset:
    files = byte_ranges.Files([data_dir / str(shard) for shard in index["shards"]])
    lengths = {key: index["num_frames"] - (key != "frames") for key in IMAGES}
    return Dataset(
        meta=meta,
        names=tuple(map(str, index["name"])),
        labels=index["label"],
        groups=tuple(map(str, index["group"])),
        sources=tuple(map(str, index["source"])),
        membership=tuple(tuple(map(str, row)) for row in index["membership"]),
        num_frames=index["num_frames"],
        images={
            key: byte_ranges.Ranges(
                files=files,
                file=index["shard"],
                record=index["record"],
                first=np.concatenate([[0], np.cumsum(lengths[key], dtype=np.int64)]),
                spans=index[key],
            )
            for key in IMAGES
        },
    )


def _text(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
