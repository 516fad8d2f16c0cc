"""What the drawings of a report share: the page's width, letters, colours, marks."""

import io
import unicodedata
import warnings
from collections.abc import Iterable

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

WIDTH = 7.2
"""Inches: what A4 and letter paper have between their margins."""

DPI = 150
SMALL, MEDIUM = 8.0, 9.0
"""Points of letters; nothing is smaller than SMALL."""

GRID, TEXT, FAINT = "#d0d0d0", "#222222", "#767676"

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#000000")
"""Of series in their order: Okabe and Ito's, without the yellow that print loses."""

BLUE, GREEN, VERMILLION = COLOURS[0], COLOURS[2], COLOURS[3]

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
"""Of series in their order, so that no two are told apart by colour alone."""


def new(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of this size in inches that lays itself out."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    backend_agg.FigureCanvasAgg(figure)
    return figure


def png(figure: Figure, dpi: int = DPI, tight: bool = False) -> bytes:
    """The figure as a PNG file, cut to what is drawn if it is to be tight."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # Drawn as a box, which is enough.
        box = "tight" if tight else None
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches=box)
    return buffer.getvalue()


def plain(axes: Axes, grid: str = "both") -> None:
    """Small letters, no box, faint lines behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL, color=FAINT)
    axes.grid(True, axis=grid, color=GRID, linewidth=0.5)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def legend(
    figure: Figure, axes: Iterable[Axes], columns: int, below: bool = False
) -> None:
    """One legend for all the axes, above them or below."""
    handles: dict[str, Artist] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    drawn = figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower left" if below else "outside upper left",
        ncols=columns,
        fontsize=SMALL,
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.4,
    )
    for text in drawn.get_texts():
        text.set_parse_math(False)


def short(name: str, letters: int) -> str:
    """A name that fits into so many letters; wide ones count twice."""
    name = " ".join(name.encode(errors="replace").decode().split())
    widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in name]
    if sum(widths) <= letters:
        return name
    kept, room = "", letters - 1
    for letter, width in zip(name, widths, strict=True):
        room -= width
        if room < 0:
            break
        kept += letter
    return kept + "…"
