"""Tables in markdown."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows of numbers or texts as a table, the first column to the left."""
    lines = [
        list(header),
        ["---"] + ["---:"] * (len(header) - 1),
        *([str(cell).replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
