"""Maps of frozen streams on disk: computed once, in order, and read at random.

A store is a folder of flat arrays and `store.json`, which has their shapes and
checksums and comes last. Images and paths are kept as float16, whose error of 5e-4 is
far below what training on other crops of the same clips changes.
"""

import contextlib
import dataclasses
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Bool, Float16, Int, Int32

from stpn_jax.arrays import MapBatch
from stpn_jax.utils import files, locks
from stpn_jax.utils.errors import UsageError

BYTES = np.dtype(np.float16).itemsize
"""Of a value in a map."""

Make = Callable[[int], Iterator[MapBatch]]

_ARRAYS: dict[str, np.dtype[Any]] = {
    "images": np.dtype(np.float16),
    "paths": np.dtype(np.float16),
    "label": np.dtype(np.int32),
    "mask": np.dtype(bool),
    "video": np.dtype(np.int32),
}
_FINISHED, _BEGUN = "store.json", "begun.json"
_FLUSH_EVERY = 20  # batches
_CHUNK = 2**24  # bytes


@dataclasses.dataclass(frozen=True, eq=False)
class Store:
    """A finished store, mapped into memory; attributes as in MapBatch."""

    images: Float16[np.ndarray, "n f y x c"]
    paths: Float16[np.ndarray, "n k y x c"]
    label: Int32[np.ndarray, "n"]
    mask: Bool[np.ndarray, "n"]
    video: Int32[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.label)

    def batch(self, rows: Int[np.ndarray, "b"] | slice) -> MapBatch:
        """Some of the samples, as float32."""
        return MapBatch(
            self.images[rows].astype(np.float32),
            self.paths[rows].astype(np.float32),
            *(np.array(getattr(self, name)[rows]) for name in list(_ARRAYS)[2:]),
        )


def open_or_make(folder: epath.PathLike, count: int, make: Make) -> Store:
    """The store of a folder, made first, or as far as it is not made yet.

    Of several processes one makes it, and the others wait.

    Args:
        folder: on a disk of this machine.
        count: samples that it has when it is whole.
        make: gives the batches from the one with this sample on; all have one size, and
            what the last has beyond `count` is left out.

    Raises:
        UsageError: the folder is remote or damaged, or a map has values that float16
            has not.
    """
    if files.is_remote(folder):
        raise UsageError(
            f"{folder}: maps of frozen streams are kept on a local disk; give a local "
            "--workdir (and --streams), or set cached_views to 0"
        )
    folder = epath.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.turn(folder):
        if not (folder / _FINISHED).exists():
            _make(folder, count, make)
    return _open(folder)


def _make(folder: epath.Path, count: int, make: Make) -> None:
    shapes, done = _begun(folder)
    with contextlib.ExitStack() as stack:
        out = {}
        for name in _ARRAYS:
            path = _file(folder, name)
            path.touch()
            out[name] = stack.enter_context(open(path, "r+b"))
            # What an interruption left behind the last note is written again.
            out[name].truncate(done * _row_bytes(shapes, name))
            out[name].seek(0, 2)
        for index, batch in enumerate(make(done)):
            for name in _ARRAYS:
                value = _stored(getattr(batch, name), name, folder)[: count - done]
                shapes[name] = list(value.shape[1:])
                out[name].write(np.ascontiguousarray(value).data)
            done = min(done + len(batch.label), count)
            if index % _FLUSH_EVERY == 0 and done < count:
                for file in out.values():
                    file.flush()
                _note(folder / _BEGUN, {"shapes": shapes, "done": done})
            if done == count:
                break
    sums = {name: _checksum(_file(folder, name)) for name in _ARRAYS}
    whole = {"shapes": shapes, "samples": count, "checksums": sums}
    _note(folder / _FINISHED, whole)
    (folder / _BEGUN).unlink(missing_ok=True)


def _begun(folder: epath.Path) -> tuple[dict[str, list[int]], int]:
    """Shapes and samples of an unfinished store, as far as its files hold them."""
    try:
        note = json.loads((folder / _BEGUN).read_text())
        shapes, done = dict(note["shapes"]), int(note["done"])
        for name in _ARRAYS:
            if _file(folder, name).stat().length < done * _row_bytes(shapes, name):
                return {}, 0
    except (OSError, ValueError, TypeError, KeyError):
        return {}, 0
    return shapes, done


def _row_bytes(shapes: dict[str, list[int]], name: str) -> int:
    return int(np.prod(shapes.get(name, [0]))) * _ARRAYS[name].itemsize


def _open(folder: epath.Path) -> Store:
    try:
        note = json.loads((folder / _FINISHED).read_text())
        for name, wanted in note["checksums"].items():
            if _checksum(_file(folder, name)) != wanted:
                raise ValueError(f"{_file(folder, name).name} has another checksum")
        samples, shapes = note["samples"], note["shapes"]
        arrays = {
            name: _map(_file(folder, name), dtype, (samples, *shapes[name]))
            for name, dtype in _ARRAYS.items()
        }
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{folder}: damaged maps of frozen streams ({error}); delete that folder "
            "and run the same command again, which makes it anew"
        ) from error
    return Store(**arrays)


def _map(path: epath.Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if not np.prod(shape):
        return np.zeros(shape, dtype)  # An empty file cannot be mapped.
    return np.memmap(str(path), dtype, "r", shape=shape)


def _stored(value: np.ndarray, name: str, folder: epath.Path) -> np.ndarray:
    value = np.asarray(value)
    if _ARRAYS[name].kind == "f":
        most = np.abs(value).max(initial=0)
        if not most <= np.finfo(_ARRAYS[name]).max:
            raise UsageError(
                f"{folder}: a stream's map has values up to {most}, too large for the "
                "float16 it is kept in; set cached_views to 0"
            )
    return value.astype(_ARRAYS[name])


def _file(folder: epath.Path, name: str) -> epath.Path:
    return folder / f"{name}.bin"


def _checksum(path: epath.Path) -> int:
    found = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            found = zlib.crc32(chunk, found)
    return found


def _note(path: epath.Path, content: dict) -> None:
    files.write_whole(path, json.dumps(content))
