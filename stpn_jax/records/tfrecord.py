"""TFRecord files and the tf.train.Example inside them, read without TensorFlow.

A record is the length of its data (8 bytes, little endian), a checksum of those
8 bytes, the data and a checksum of the data. An Example is a protocol buffer; its
wire format is followed here only as far as needed to tell where each value lies.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import google_crc32c
from etils import epath

from stpn_jax.utils.errors import UsageError

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _INT64_LIST = 1, 3


class Span(NamedTuple):
    """A range of bytes: where it starts and how many bytes it has."""

    start: int
    size: int


class Record(NamedTuple):
    """One record: where its data start in the file, and the data."""

    start: int
    data: bytes


def read_records(path: epath.PathLike, verify: bool = False) -> Iterator[Record]:
    """The records of one file, in order.

    Args:
        path: a TFRecord file without compression.
        verify: compare both checksums of every record.

    Raises:
        UsageError: the file ends inside a record, or a checksum differs.
    """
    path = epath.Path(path)
    start = 0
    with path.open("rb") as file:
        while header := file.read(_LENGTH.size + _CHECKSUM.size):
            size = _size_in(header, path, start, verify)
            body = file.read(size + _CHECKSUM.size)
            if len(body) < size + _CHECKSUM.size:
                raise _damaged(path, start, "ends inside it")
            data = body[:size]
            if verify and _masked(data) != _CHECKSUM.unpack(body[size:])[0]:
                raise _damaged(path, start, "has a wrong checksum")
            yield Record(start + len(header), data)
            start += len(header) + len(body)


def parse_example(data: bytes) -> dict[str, list[Span] | list[int]]:
    """Where the values of a serialised tf.train.Example lie.

    Returns:
        by feature name: the spans inside `data` of its byte strings, or its integers.
        Features of floats, which no record of ours has, are left out.
    """
    values: dict[str, list[Span] | list[int]] = {}
    for _, features in _messages(data, Span(0, len(data))):
        for _, entry in _messages(data, features):
            key, feature = (span for _, span in _messages(data, entry))
            name = data[key.start : key.start + key.size].decode()
            for kind, content in _messages(data, feature):
                if kind == _BYTES_LIST:
                    values[name] = [span for _, span in _messages(data, content)]
                elif kind == _INT64_LIST:
                    values[name] = _integers(data, content)
    return values


def _size_in(header: bytes, path: epath.Path, start: int, verify: bool) -> int:
    if len(header) < _LENGTH.size + _CHECKSUM.size:
        raise _damaged(path, start, "ends inside its header")
    length = header[: _LENGTH.size]
    if verify and _masked(length) != _CHECKSUM.unpack(header[_LENGTH.size :])[0]:
        raise _damaged(path, start, "has a wrong checksum of its length")
    return int(_LENGTH.unpack(length)[0])


def _masked(data: bytes) -> int:
    checksum = google_crc32c.value(data)
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return (rotated + 0xA282EAD8) & 0xFFFFFFFF


def _damaged(path: epath.Path, start: int, what: str) -> UsageError:
    return UsageError(
        f"{path}: the record at byte {start} {what}: the file is damaged; delete its "
        "data_dir and run prepare again"
    )


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


def _messages(data: bytes, span: Span) -> Iterator[tuple[int, Span]]:
    """Number and content of the length-delimited fields of a message."""
    position, end = span.start, span.start + span.size
    while position < end:
        tag, position = _varint(data, position)
        if tag & 7 == _BYTES:
            size, position = _varint(data, position)
            yield tag >> 3, Span(position, size)
            position += size
        elif tag & 7 == _VARINT:
            _, position = _varint(data, position)
        else:
            position += {_FIXED64: 8, _FIXED32: 4}[tag & 7]


def _integers(data: bytes, span: Span) -> list[int]:
    """The values of an Int64List, packed (as it is written now) or not."""
    packed = list(_messages(data, span))
    if packed:
        return [v for _, inner in packed for v in _packed_integers(data, inner)]
    values, position = [], span.start
    while position < span.start + span.size:
        _, position = _varint(data, position)
        value, position = _varint(data, position)
        values.append(_signed(value))
    return values


def _packed_integers(data: bytes, span: Span) -> Iterator[int]:
    position = span.start
    while position < span.start + span.size:
        value, position = _varint(data, position)
        yield _signed(value)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
