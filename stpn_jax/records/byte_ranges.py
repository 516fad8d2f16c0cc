"""Images read by their byte range, from files that stay open between reads."""

import dataclasses
import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Int, UInt32

from stpn_jax.utils import files


class Files:
    """Positional reads from a fixed list of files, from any number of threads.

    Local files are opened once and read by os.pread, which keeps no position and so
    needs no lock; files of a remote file system are opened for every read. A pickled
    copy opens its files anew.
    """

    def __init__(self, paths: Sequence[epath.PathLike]):
        self._paths = [epath.Path(path) for path in paths]
        self._descriptors: dict[int, int] = {}
        self._lock = threading.Lock()

    def read(self, file: int, start: int, size: int) -> bytes:
        """`size` bytes of file number `file` from byte `start` on."""
        if files.is_remote(self._paths[file]):
            with self._paths[file].open("rb") as stream:
                stream.seek(start)
                return bytes(stream.read(size))
        return os.pread(self._descriptor(file), size, start)

    def _descriptor(self, file: int) -> int:
        with self._lock:
            if file not in self._descriptors:
                path = os.fspath(self._paths[file])
                self._descriptors[file] = os.open(path, os.O_RDONLY)
            return self._descriptors[file]

    def __getstate__(self) -> dict[str, Any]:
        return {"_paths": self._paths}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["_paths"])  # type: ignore[misc]

    def __del__(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)


@dataclasses.dataclass(frozen=True, eq=False)
class Ranges:
    """The images of one feature of every video.

    Attributes:
        files: where the bytes are.
        file: number of each video's file.
        record: byte at which each video's record starts in its file.
        first: row of each video's first image in `spans`, and the number of rows.
        spans: start, counted from the record's, and size of every image in bytes.
    """

    files: Files
    file: Int[np.ndarray, "n"]
    record: Int[np.ndarray, "n"]
    first: Int[np.ndarray, "n+1"]
    spans: UInt32[np.ndarray, "images 2"]

    def read(
        self, video: int, positions: Sequence[int] | Int[np.ndarray, "n"]
    ) -> list[bytes]:
        """The images of a video at these positions, in the order given.

        Raises:
            IndexError: a position outside of the video.
        """
        first, last = int(self.first[video]), int(self.first[video + 1])
        return [self._read(video, int(position), first, last) for position in positions]

    def sizes(self, video: int) -> UInt32[np.ndarray, "n"]:
        """Bytes of each image of a video."""
        return self.spans[self.first[video] : self.first[video + 1], 1]

    def _read(self, video: int, position: int, first: int, last: int) -> bytes:
        row = first + position
        if not first <= row < last:
            raise IndexError(
                f"video {video} has images 0 to {last - first - 1}, not {position}"
            )
        start, size = (int(value) for value in self.spans[row])
        return self.files.read(
            int(self.file[video]), int(self.record[video]) + start, size
        )
