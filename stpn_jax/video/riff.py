"""Is an AVI file whole? Its chunks against their sizes, and against its own index.

Decoders take what they get: they leave out a chunk that lost its header and jump over
what they do not know, without a word. The container says twice what is in it, so a
loss in the middle of a file shows as a difference.

Source: Microsoft, "AVI RIFF File Reference"; OpenDML AVI 1.02 for files of many RIFFs.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

_HEADER = struct.Struct("<4sI")
_ENTRY = struct.Struct("<4sIII")  # name, flags, offset, size
_LISTS = (b"RIFF", b"LIST")


@runtime_checkable
class File(Protocol):
    """Bytes that are read from anywhere."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Goes to a byte and returns its number."""

    def read(self, size: int = -1, /) -> bytes:
        """Bytes from there on."""


class _Chunk(NamedTuple):
    name: bytes
    start: int  # of the header
    size: int  # without the header


class _DamageError(Exception):
    pass


def complaint(file: File) -> str:
    """What is wrong with the structure of an AVI file.

    Args:
        file: seekable; anything else than an AVI file passes.

    Returns:
        the first thing found; empty where all fits.
    """
    length = file.seek(0, 2)
    file.seek(0)
    if length < 12 or not _is_avi(file.read(12)):
        return ""
    try:
        _check(file, length)
    except _DamageError as damage:
        return str(damage)
    return ""


def _is_avi(start: bytes) -> bool:
    return start[:4] == b"RIFF" and start[8:11] == b"AVI"


def _check(file: File, length: int) -> None:
    position = 0
    while position + 12 <= length:
        file.seek(position)
        name, size = _HEADER.unpack(file.read(_HEADER.size))
        if name != b"RIFF":
            return  # Bytes after the end are no loss.
        end = position + _HEADER.size + size
        if end > length:
            raise _DamageError(f"cut off: {length} of {end} bytes are there")
        _check_riff(file, position, end, has_index=position == 0)
        position = end + size % 2


def _check_riff(file: File, start: int, end: int, has_index: bool) -> None:
    """One RIFF; only the first has the old index of all it holds."""
    found: list[_Chunk] = []
    has_frames = False
    for chunk in _chunks(file, start + 12, end):
        if chunk.name == b"LIST" and _kind(file, chunk) == b"movi":
            has_frames = True
            found = list(_leaves(file, chunk))
        if chunk.name == b"idx1" and has_index and has_frames:
            _compare(_index(file, chunk), found)
    if not has_frames:
        raise _DamageError("the list of its frames is missing")


def _chunks(file: File, start: int, end: int) -> Iterator[_Chunk]:
    """Chunks that follow each other and fill the space to a byte.

    Some writers round the size of the list up and some do not.
    """
    while start + _HEADER.size <= end:
        file.seek(start)
        name, size = _HEADER.unpack(file.read(_HEADER.size))
        after = start + _HEADER.size + size
        if not name.isascii() or not name.strip(b" ").isalnum() or after > end + 1:
            raise _DamageError(f"no chunk begins where one should, at byte {start}")
        yield _Chunk(name, start, size)
        start = after + size % 2
    if start not in (end, end + 1):
        raise _DamageError(f"{end - start} bytes too many before byte {end}")


def _leaves(file: File, frames: _Chunk) -> Iterator[_Chunk]:
    """Chunks of the list of frames; they may be grouped in lists of records."""
    start = frames.start + _HEADER.size
    for chunk in _chunks(file, start + 4, start + frames.size):
        if chunk.name == b"LIST":
            yield from _leaves(file, chunk)
        else:
            yield chunk


def _kind(file: File, chunk: _Chunk) -> bytes:
    file.seek(chunk.start + _HEADER.size)
    return file.read(4)


def _index(file: File, chunk: _Chunk) -> list[_Chunk]:
    file.seek(chunk.start + _HEADER.size)
    data = file.read(chunk.size - chunk.size % _ENTRY.size)
    entries = _ENTRY.iter_unpack(data)
    return [
        _Chunk(name, offset, size)
        for name, _, offset, size in entries
        if name not in _LISTS and name != b"rec "
    ]


def _compare(index: list[_Chunk], found: list[_Chunk]) -> None:
    """Raises _DamageError unless an index names the chunks that are there.

    Its offsets count from the file's start or from the list's, as the writer liked.
    """
    if not index:
        return
    named = {chunk.name for chunk in index}
    found = [chunk for chunk in found if chunk.name in named]
    if len(index) != len(found):
        raise _DamageError(
            f"{len(found)} of the {len(index)} chunks of its index are there"
        )
    pairs = list(zip(index, found, strict=True))
    if len({chunk.start - entry.start for entry, chunk in pairs}) > 1 or any(
        (entry.name, entry.size) != (chunk.name, chunk.size) for entry, chunk in pairs
    ):
        raise _DamageError("its index and its chunks differ")
