"""What all figures share: width, text sizes, colours, markers and PNG encoding."""

import io
import itertools
import unicodedata
import warnings
from collections.abc import Iterable
from typing import Any, Literal

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

WIDTH = 7.2
"""Inches between the margins of A4 and letter paper."""

DPI = 150
SMALL, MEDIUM = 8.0, 9.0
"""Text sizes in points; figures of a report use nothing smaller than SMALL."""

GRID, TEXT, FAINT = "#d0d0d0", "#222222", "#767676"

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#000000")
"""Of series in their order: Okabe and Ito's, without the yellow that print loses."""

BLUE, GREEN, VERMILLION = COLOURS[0], COLOURS[2], COLOURS[3]

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
"""Of series in their order, so that colour alone never distinguishes two series."""


def new(
    height: float,
    width: float = WIDTH,
    dpi: int = DPI,
    layout: Literal["constrained"] | None = "constrained",
) -> Figure:
    """An empty figure of this size in inches."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout=layout)
    backend_agg.FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, tight: bool = False) -> bytes:
    """Encodes a figure as PNG; `tight` crops the margins."""
    buffer, box = io.BytesIO(), "tight" if tight else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # Missing glyphs become boxes.
        figure.savefig(buffer, format="png", dpi="figure", bbox_inches=box)
    return buffer.getvalue()


def series(index: int) -> dict[str, str]:
    """Colour and marker of a series; the first seventy pairs are distinct."""
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    return {"color": colour, "marker": marker}


def simplify(axes: Axes, grid: Literal["both", "x"] = "both") -> None:
    """Small labels, no box, faint grid lines behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL, color=FAINT)
    axes.grid(True, axis=grid, color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)


def title(
    axes: Axes, text: str, letters: int, size: float = MEDIUM, **options: Any
) -> None:
    """Sets a title on the left, shortened to so many letters."""
    chosen: dict[str, Any] = {"loc": "left", "parse_math": False} | options
    axes.set_title(short(text, letters), fontsize=size, **chosen)


def legend(
    figure: Figure, axes: Iterable[Axes], columns: int, below: bool = False
) -> None:
    """One legend for all the axes, above them or below."""
    handles: dict[str, Artist] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    made = figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower left" if below else "outside upper left",
        ncols=columns,
        fontsize=SMALL,
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.4,
    )
    for text in made.get_texts():
        text.set_parse_math(False)


def short(name: str, letters: int) -> str:
    """Shortens a name to so many letters; wide (East Asian) letters count twice."""
    name = " ".join(name.encode(errors="replace").decode().split())
    widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in name]
    if sum(widths) <= letters:
        return name
    ends = itertools.accumulate(widths)
    return "".join(c for c, end in zip(name, ends, strict=True) if end < letters) + "…"
