"""A file of boxes: where in the frames of videos something is, such as what moves.

A CSV file with the header `video,frame,y0,x0,y1,x1`: path of the video below the folder
that was prepared, number of the frame from 0, and the box as shares of the frame's
height and width, so that its size does not matter. A frame may have several.
"""

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple

from etils import epath

from stpn_jax.utils.errors import UsageError

Box = tuple[float, float, float, float]
"""y0 x0 y1 x1, from 0 to 1."""


class Row(NamedTuple):
    """A box in one frame of a video."""

    video: str
    frame: int
    y0: float
    x0: float
    y1: float
    x1: float


def write(path: epath.PathLike, rows: Iterable[Row]) -> None:
    """Writes a file of boxes."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(Row._fields)
    for video, frame, *box in rows:
        lines.writerow([video, frame, *(f"{side:.4f}" for side in box)])
    epath.Path(path).write_text(text.getvalue())


def read(path: epath.PathLike) -> dict[tuple[str, int], list[Box]]:
    """The boxes by video and frame.

    Raises:
        UsageError: there is no such file, or a line of it is none of these.
    """
    path = epath.Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file; expected a CSV of boxes")
    lines = list(csv.reader(io.StringIO(path.read_text())))
    if not lines or tuple(lines[0]) != Row._fields:
        header = ",".join(Row._fields)
        raise UsageError(f"{path}: expected the header `{header}` in its first line")
    found: dict[tuple[str, int], list[Box]] = {}
    for number, line in enumerate(lines[1:], start=2):
        row = _parse(line)
        if row is None:
            raise UsageError(
                f"{path}, line {number}: expected a video, the number of a frame and "
                f"0 <= y0 <= y1 <= 1, 0 <= x0 <= x1 <= 1; found {','.join(line)!r}"
            )
        found.setdefault((row.video, row.frame), []).append(row[2:])
    return found


def _parse(line: list[str]) -> Row | None:
    try:
        video, frame, *sides = line
        row = Row(video, int(frame), *map(float, sides))
    except (ValueError, TypeError):
        return None
    is_box = 0 <= row.y0 <= row.y1 <= 1 and 0 <= row.x0 <= row.x1 <= 1
    return row if is_box and row.frame >= 0 else None
