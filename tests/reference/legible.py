"""Whether a drawing can be read: nothing cut, too small, on another text, empty."""

import itertools
import warnings
from unittest import mock

from matplotlib.text import Text

SMALLEST = 8.0
NAMES = [
    "$100_and_{",
    '<b>&"quotes"',
    "\u6b69\u304f\u4eba" * 12,
    "\u0645\u0631\u062d\u0628\u0627",
    "of \udcff another encoding",
    "a name of a class that is much too long to be drawn as a whole beside its mark",
    "wave",
]
"""Of classes, as file systems have them."""


def check(figure):
    """Asserts that every text and every pair of axes of a figure can be read."""
    page = figure.bbox.padded(1)
    texts = [(text, text.get_window_extent()) for text in _drawn(figure)]
    assert texts
    for text, box in texts:
        assert text.get_fontsize() >= SMALLEST, text.get_text()
        assert page.x0 <= box.x0 and box.x1 <= page.x1, f"{text.get_text()!r} is cut"
        assert page.y0 <= box.y0 and box.y1 <= page.y1, f"{text.get_text()!r} is cut"
    for (one, box), (other, second) in itertools.combinations(texts, 2):
        overlap = box.padded(-1).overlaps(second.padded(-1))
        assert not overlap, f"{one.get_text()!r} lies on {other.get_text()!r}"
    for axes in figure.axes:
        assert axes.has_data() or axes.patches, "axes without data"


def _drawn(figure):
    """Every text that drawing the figure draws, once."""
    found = {}
    draw = Text.draw

    def record(text, *arguments, **options):
        if text.get_text().strip() and text.get_visible():
            found[text] = None
        draw(text, *arguments, **options)

    with warnings.catch_warnings(), mock.patch.object(Text, "draw", record):
        warnings.filterwarnings("ignore", "Glyph")
        figure.canvas.draw()
    return list(found)
