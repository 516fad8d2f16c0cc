"""Byte ranges of images inside TFRecord files: found, and read, without TensorFlow.

A record is the length of its data (8 bytes, little endian), a checksum of those
8 bytes, the data and a checksum of the data. The data are a tf.train.Example, a
protocol buffer, parsed here only as far as needed to locate each value.
"""

import dataclasses
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from etils import epath
from jaxtyping import Int, UInt32

from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError

Positions = Sequence[int] | Int[np.ndarray, "n"]
"""Of images in a video."""

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
"""Wire type of a protocol buffer's field of fixed size -> its bytes."""

_BYTES_LIST, _INT64_LIST = 1, 3


class Span(NamedTuple):
    """A range of bytes: where it starts and how many bytes it has."""

    start: int
    size: int


def read_records(
    path: epath.PathLike, verify: bool = False
) -> Iterator[tuple[int, bytes]]:
    """The records of an uncompressed TFRecord file: where their data start, the data.

    Raises:
        UsageError: the file ends inside a record, or, if verified, a checksum differs.
    """
    path = epath.Path(path)
    start = 0

    def check(is_right: bool, problem: str) -> None:
        if not is_right:
            raise UsageError(
                f"{path}: the record at byte {start} {problem}: the file is damaged; "
                "delete its data_dir and run prepare again"
            )

    with path.open("rb") as file:
        while header := file.read(_LENGTH.size + _CHECKSUM.size):
            length, checksum = header[: _LENGTH.size], header[_LENGTH.size :]
            check(len(checksum) == _CHECKSUM.size, "ends inside its header")
            is_right = not verify or _has_checksum(length, checksum)
            check(is_right, "has a wrong checksum of its length")
            (size,) = _LENGTH.unpack(length)
            body = file.read(size + _CHECKSUM.size)
            data, checksum = body[:size], body[size:]
            check(len(checksum) == _CHECKSUM.size, "ends inside it")
            is_right = not verify or _has_checksum(data, checksum)
            check(is_right, "has a wrong checksum")
            yield start + len(header), data
            start += len(header) + len(body)


def _has_checksum(data: bytes, expected: bytes) -> bool:
    """Whether data have this masked CRC-32C."""
    checksum = google_crc32c.value(data)
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return _CHECKSUM.pack((rotated + 0xA282EAD8) & 0xFFFFFFFF) == expected


def parse_example(data: bytes) -> dict[str, list[Span] | list[int]]:
    """Locates the values of a serialised tf.train.Example.

    Returns:
        by feature name: the spans inside `data` of its byte strings, or its integers,
        which are packed and not negative. Floats, which our records lack, are left out.
    """
    values: dict[str, list[Span] | list[int]] = {}
    for _, features in _fields(data, Span(0, len(data))):
        for _, entry in _fields(data, features):
            key, feature = (span for _, span in _fields(data, entry))
            name = data[key.start : key.start + key.size].decode()
            for kind, content in _fields(data, feature):
                inner = [span for _, span in _fields(data, content)]
                if kind == _BYTES_LIST:
                    values[name] = inner
                elif kind == _INT64_LIST:
                    values[name] = [i for one in inner for i in _integers(data, one)]
    return values


def _fields(data: bytes, message: Span) -> Iterator[tuple[int, Span]]:
    """Number and content of the length-delimited fields of a message."""
    position, end = message.start, message.start + message.size
    while position < end:
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _BYTES:
            size, position = _varint(data, position)
            yield number, Span(position, size)
            position += size
        elif wire_type == _VARINT:
            _, position = _varint(data, position)
        else:
            position += _FIXED[wire_type]


def _integers(data: bytes, packed: Span) -> Iterator[int]:
    position = packed.start
    while position < packed.start + packed.size:
        value, position = _varint(data, position)
        yield value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """The value of a base-128 number and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


class Files:
    """Positional reads from a fixed list of files, from any number of threads.

    Local files are opened once and read by os.pread, which keeps no position and so
    needs no lock; remote files are opened for every read. A pickled copy opens its
    files anew.
    """

    def __init__(self, paths: Sequence[epath.PathLike]):
        self.paths = [epath.Path(path) for path in paths]
        self._descriptors: dict[int, int] = {}
        self._lock = threading.Lock()

    def read(self, file: int, start: int, size: int) -> bytes:
        """`size` bytes of file number `file` from byte `start` on."""
        if files.is_remote(self.paths[file]):
            with self.paths[file].open("rb") as stream:
                stream.seek(start)
                return bytes(stream.read(size))
        return os.pread(self._descriptor(file), size, start)

    def _descriptor(self, file: int) -> int:
        with self._lock:
            if file not in self._descriptors:
                path = os.fspath(self.paths[file])
                self._descriptors[file] = os.open(path, os.O_RDONLY)
            return self._descriptors[file]

    def __reduce__(self) -> tuple[type["Files"], tuple[Any]]:
        return Files, (self.paths,)

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
        first: index in `spans` of each video's first image, and the number of spans.
        spans: start, counted from the record's, and size of every image in bytes.
    """

    files: Files
    file: Int[np.ndarray, "n"]
    record: Int[np.ndarray, "n"]
    first: Int[np.ndarray, "n+1"]
    spans: UInt32[np.ndarray, "images 2"]

    def read(self, video: int, positions: Positions) -> list[bytes]:
        """The images of a video at these positions, in the order given.

        Raises:
            IndexError: a position outside of the video.
        """
        file, record = int(self.file[video]), int(self.record[video])
        spans = self.spans[self.first[video] : self.first[video + 1]]
        images = []
        for position in map(int, positions):
            if not 0 <= position < len(spans):
                raise IndexError(
                    f"video {video} has images 0 to {len(spans) - 1}, not {position}"
                )
            start, size = spans[position].tolist()
            images.append(self.files.read(file, record + start, size))
        return images

    def sizes(self, video: int) -> UInt32[np.ndarray, "n"]:
        """Bytes of each image of a video."""
        return self.spans[self.first[video] : self.first[video + 1], 1]
