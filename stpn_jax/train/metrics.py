"""Metrics of a stage: JSON lines and TensorBoard files, continued without doubles."""

import json
from typing import Any

from etils import epath

from stpn_jax.train import board
from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError

JSON_LINES = "metrics.jsonl"


class MetricsWriter:
    """Writes {step, name: value} rows; rows after first_step are dropped on opening."""

    def __init__(self, directory: epath.PathLike, first_step: int):
        """Opens the files of a folder to go on after first_step."""
        self._directory = epath.Path(directory)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._rows = [row for row in read(self._directory) if row["step"] <= first_step]
        self._flush()
        self._board = board.open_writer(self._directory / "tensorboard", first_step)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds a row; the file on disk is whole at any time."""
        self._rows.append({"step": step} | values)
        self._flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes the TensorBoard file."""
        self._board.close()

    def _flush(self) -> None:
        text = "".join(json.dumps(row) + "\n" for row in self._rows)
        files.write_whole(self._directory / JSON_LINES, text)


def read(directory: epath.PathLike) -> list[dict[str, Any]]:
    """The rows written so far; a half-written last line is ignored.

    Raises:
        UsageError: another line is no JSON.
    """
    path = epath.Path(directory) / JSON_LINES
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            if number < len(lines):
                raise UsageError(
                    f"{path}: line {number} is not JSON; remove that line, which costs "
                    "a point of the curves"
                ) from error
    return rows
