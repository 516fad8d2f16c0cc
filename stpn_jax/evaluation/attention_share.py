"""How much attention is inside of boxes, against their share of the area; box files."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float

from stpn_jax.utils.errors import UsageError

Box = tuple[float, float, float, float]
"""y0 x0 y1 x1 as shares of the frame, from 0 to 1."""

Boxes = Mapping[tuple[str, int], Sequence[Box]]
"""By video and frame."""

_POINTS = 32  # sampled across and down each cell


class Share(NamedTuple):
    """Attention of one map.

    Attributes:
        mass: share of the attention inside of the boxes, spreading the weight of each
            cell evenly over it.
        area: share of the crop inside of them: the mass of an even map.
        most: the mass of a map that is all in its best cell.
        hit: whether any of the strongest cell is inside.
    """

    mass: float
    area: float
    most: float
    hit: bool


def share(
    attention: Float[np.ndarray, "h w"], boxes: Sequence[Box], crop: Box
) -> Share:
    """Compares attention over the grid of the crop, of sum 1, with a union of boxes."""
    cover = covered(boxes, crop, attention.shape)
    mass, area, most = (attention * cover).sum(), cover.mean(), cover.max()
    hit = cover.flat[attention.argmax()] > 0
    return Share(float(mass), float(area), float(most), bool(hit))


def covered(
    boxes: Sequence[Box], crop: Box, grid: tuple[int, int]
) -> Float[np.ndarray, "h w"]:
    """The share of every cell of the crop's grid that is inside of some box."""
    y, x = (
        start + (stop - start) * (np.arange(cells * _POINTS) + 0.5) / (cells * _POINTS)
        for start, stop, cells in zip(crop[:2], crop[2:], grid, strict=True)
    )
    y0, x0, y1, x1 = np.reshape(boxes, (-1, 4)).T[..., None]
    rows, columns = (y0 <= y) & (y < y1), (x0 <= x) & (x < x1)
    inside = (rows[:, :, None] & columns[:, None]).any(axis=0)
    return inside.reshape(grid[0], _POINTS, grid[1], _POINTS).mean(axis=(1, 3))


class Row(NamedTuple):
    """A line of a box file: a box in one frame of a video."""

    video: str
    frame: int
    y0: float
    x0: float
    y1: float
    x1: float


def write(path: epath.PathLike, rows: Iterable[Row]) -> None:
    """Writes a box file."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(Row._fields)
    lines.writerows([*row[:2], *(f"{side:.4f}" for side in row[2:])] for row in rows)
    epath.Path(path).write_text(text.getvalue())


def read(path: epath.PathLike) -> dict[tuple[str, int], list[Box]]:
    """The boxes of a file by video and frame.

    Raises:
        UsageError: there is no such file, or one of its lines is not a box.
    """
    path = epath.Path(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file; expected a CSV of boxes")
    header, *lines = csv.reader(io.StringIO(path.read_text() or "\n"))
    if tuple(header) != Row._fields:
        expected = ",".join(Row._fields)
        raise UsageError(f"{path}: expected the header `{expected}` in its first line")
    found: dict[tuple[str, int], list[Box]] = {}
    for number, line in enumerate(lines, start=2):
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
