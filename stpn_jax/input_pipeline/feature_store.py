"""Feature maps of frozen streams on disk: computed once, in order, and read at random.

A store is a folder of flat arrays and `store.json`, which has their shapes and
checksums and comes last. Images and paths are kept as float16, whose error of 5e-4 is
far below what training on other crops of the same clips changes.
"""

import contextlib
import dataclasses
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Bool, Float16, Int, Int32

from stpn_jax.arrays import MapBatch
from stpn_jax.utils import files, locks, manifest
from stpn_jax.utils.errors import UsageError

BYTES = np.dtype(np.float16).itemsize
"""Of a value in a feature map."""

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

    def batch(self, samples: Int[np.ndarray, "b"] | slice) -> MapBatch:
        """Some of the samples, as float32."""
        return MapBatch(
            self.images[samples].astype(np.float32),
            self.paths[samples].astype(np.float32),
            *(np.array(getattr(self, name)[samples]) for name in list(_ARRAYS)[2:]),
        )


def open_or_make(folder: epath.PathLike, count: int, make: Make) -> Store:
    """Opens the store of a folder, after making what is missing of it.

    Of several processes one makes it, and the others wait. `make` yields the batches
    from the one with this sample on; what the last has beyond `count` is left out.

    Raises:
        UsageError: the folder is remote or damaged, or a value exceeds float16.
    """
    if files.is_remote(folder):
        raise UsageError(
            f"{folder}: feature maps of frozen streams are kept on a local disk; give "
            "a local --workdir (and --streams), or set cached_crops to 0"
        )
    folder = epath.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.turn(folder):
        if not (folder / _FINISHED).exists():
            _make(folder, count, make)
    return _open(folder)


def _make(folder: epath.Path, count: int, make: Make) -> None:
    shapes, done = _progress(folder)
    with contextlib.ExitStack() as stack:
        out = {}
        for name in _ARRAYS:
            path = folder / f"{name}.bin"
            path.touch()
            out[name] = stack.enter_context(open(path, "r+b"))
            # Samples beyond the recorded progress are written again.
            out[name].truncate(done * _sample_bytes(shapes, name))
            out[name].seek(0, 2)
        for index, batch in enumerate(make(done)):
            for name in _ARRAYS:
                value = _as_stored(getattr(batch, name), name, folder)[: count - done]
                shapes[name] = list(value.shape[1:])
                out[name].write(np.ascontiguousarray(value).data)
            done = min(done + len(batch.label), count)
            if index % _FLUSH_EVERY == 0 and done < count:
                for file in out.values():
                    file.flush()
                manifest.write(folder / _BEGUN, {"shapes": shapes, "done": done})
            if done == count:
                break
    sums = {name: _checksum(folder / f"{name}.bin") for name in _ARRAYS}
    whole = {"shapes": shapes, "samples": count, "checksums": sums}
    manifest.write(folder / _FINISHED, whole)
    (folder / _BEGUN).unlink(missing_ok=True)


def _progress(folder: epath.Path) -> tuple[dict[str, list[int]], int]:
    """Shapes and samples of an unfinished store, as far as its files hold them."""
    try:
        begun = manifest.read(folder / _BEGUN, "")
        shapes, done = dict(begun["shapes"]), int(begun["done"])
        for name in _ARRAYS:
            length = (folder / f"{name}.bin").stat().length
            if length < done * _sample_bytes(shapes, name):
                return {}, 0
    except (OSError, UsageError, ValueError, TypeError, KeyError):
        return {}, 0
    return shapes, done


def _sample_bytes(shapes: dict[str, list[int]], name: str) -> int:
    return int(np.prod(shapes.get(name, [0]))) * _ARRAYS[name].itemsize


def _open(folder: epath.Path) -> Store:
    remedy = "delete that folder and run the same command again, which recreates it"
    about = manifest.read(folder / _FINISHED, remedy)
    try:
        for name, expected in about["checksums"].items():
            if _checksum(folder / f"{name}.bin") != expected:
                raise ValueError(f"{name}.bin has another checksum")
        count, shapes = about["samples"], about["shapes"]
        arrays = {
            name: _map(folder / f"{name}.bin", dtype, (count, *shapes[name]))
            for name, dtype in _ARRAYS.items()
        }
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{folder}: damaged feature maps of frozen streams ({error}); {remedy}"
        ) from error
    return Store(**arrays)


def _map(path: epath.Path, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if not np.prod(shape):
        return np.zeros(shape, dtype)  # An empty file cannot be mapped.
    return np.memmap(str(path), dtype, "r", shape=shape)


def _as_stored(value: np.ndarray, name: str, folder: epath.Path) -> np.ndarray:
    value = np.asarray(value)
    if _ARRAYS[name].kind == "f":
        most = np.abs(value).max(initial=0)
        if not most <= np.finfo(_ARRAYS[name]).max:
            raise UsageError(
                f"{folder}: a feature map has values up to {most}, too large for the "
                "float16 it is kept in; set cached_crops to 0"
            )
    return value.astype(_ARRAYS[name])


def _checksum(path: epath.Path) -> int:
    found = 0
    with open(path, "rb") as file:
        while chunk := file.read(2**24):
            found = zlib.crc32(chunk, found)
    return found
