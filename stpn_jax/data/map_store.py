"""Maps of frozen streams on disk: computed once, in order, and read at random.

A store is a folder of plain .npy files. Images and paths are kept as float16, whose
error of 5e-4 is far below what training on other crops of the same clips changes.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from etils import epath
from jaxtyping import Bool, Float16, Int, Int32

from stpn_jax import files
from stpn_jax.arrays import MapBatch
from stpn_jax.errors import UsageError

BYTES = np.dtype(np.float16).itemsize
"""Of a value in a map."""
_ARRAYS = ("images", "paths", "label", "mask", "video")
_DONE = "done"
"""Of an unfinished store: how many samples it has."""
_FLUSH_EVERY = 20


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
            *(np.array(getattr(self, name)[rows]) for name in _ARRAYS[2:]),
        )


def open_or_make(
    folder: epath.PathLike, count: int, make: Callable[[int], Iterator[MapBatch]]
) -> Store:
    """The store of a folder, made first, or as far as it is not made yet.

    Args:
        folder: on a disk of this machine.
        count: samples that it has when it is whole.
        make: gives the batches from the one with this sample on; all but the last have
            one size.

    Raises:
        UsageError: the folder is remote, or a map has values that float16 has not.
    """
    if files.is_remote(folder):
        raise UsageError(
            f"{folder}: maps of frozen streams are kept on a local disk; give a local "
            "--workdir (and --streams), or set cached_views to 0"
        )
    folder = epath.Path(folder)
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.part")
        draft.mkdir(parents=True, exist_ok=True)
        _fill(draft, count, make)
        draft.replace(folder)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    return Store(**arrays)


def _fill(
    folder: epath.Path, count: int, make: Callable[[int], Iterator[MapBatch]]
) -> None:
    arrays: dict[str, np.memmap] = {}
    progress = folder / _DONE
    done = int(progress.read_text()) if progress.exists() else 0
    for index, batch in enumerate(make(done)):
        for name in _ARRAYS:
            value = _stored(getattr(batch, name), folder)
            if name not in arrays:
                shape = (count, *value.shape[1:])
                arrays[name] = _open(folder / f"{name}.npy", shape, value.dtype, done)
            # The last batch may be longer than what is left.
            arrays[name][done : done + len(value)] = value[: count - done]
        done = min(done + len(batch.label), count)
        if index % _FLUSH_EVERY == 0 or done == count:
            for array in arrays.values():
                array.flush()
            files.write_whole(progress, str(done))
        if done == count:
            break
    progress.unlink()


def _stored(value: np.ndarray, folder: epath.Path) -> np.ndarray:
    value = np.asarray(value)
    if value.dtype.kind != "f":
        return value
    most = np.abs(value).max(initial=0)
    if not most <= np.finfo(np.float16).max:
        raise UsageError(
            f"{folder}: a stream's map has values up to {most}, too large for the "
            "float16 it is kept in; set cached_views to 0"
        )
    return value.astype(np.float16)


def _open(
    path: epath.Path, shape: tuple[int, ...], dtype: np.dtype, done: int
) -> np.memmap:
    mode = "r+" if done else "w+"
    if done:
        return np.lib.format.open_memmap(str(path), mode=mode)
    return np.lib.format.open_memmap(str(path), mode=mode, dtype=dtype, shape=shape)
