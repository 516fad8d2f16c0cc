"""The model card as Markdown: what a network is, how good, and under which terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from stpn_jax.export.contract import Preprocessing


def render(
    labels: Sequence[str], preprocessing: Preprocessing, card: Mapping[str, Any]
) -> str:
    """A page with a heading for each entry of the card.

    Args:
        labels: class names.
        preprocessing: from a video to the network's input.
        card: nested mappings of what JSON can hold.
    """
    width, height = preprocessing.size
    lines = [
        "# Model card",
        "",
        f"Tells {len(labels)} classes of videos apart: frames of {width}x{height}, "
        f"crops of {preprocessing.input_size} pixels, {preprocessing.paths} paths of "
        f"{preprocessing.flow_length} flows. `artifact.json` holds the same, and the "
        "sizes and checksums of all files.",
    ]
    for name, value in card.items():
        lines += ["", f"## {name.replace('_', ' ').capitalize()}", "", *_items(value)]
    return "\n".join(lines) + "\n"


def _items(value: Any, depth: int = 0) -> list[str]:
    """Nested lists of names and values."""
    if not isinstance(value, Mapping):
        return [str(value)]
    lines: list[str] = []
    for name, inner in value.items():
        start = f"{'  ' * depth}- {name}"
        if isinstance(inner, Mapping):
            lines += [start, *_items(inner, depth + 1)]
        else:
            lines.append(f"{start}: {_text(inner)}")
    return lines


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)
