"""The page: sections of text, tables and pictures as HTML, with files beside it.

It opens from a disk, needs no network and no script, and may be moved with its folder.
"""

import csv
import html
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etils import epath
from matplotlib.figure import Figure

from stpn_jax.figures import figures
from stpn_jax.utils import files

INDEX = "index.html"


class Numbers(NamedTuple):
    """A header and rows; numbers or texts."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]


class Picture(NamedTuple):
    """A drawing.

    Attributes:
        name: of NAME.png and NAME.csv.
        figure: the drawing.
        caption: what is to be seen.
        numbers: what is drawn.
    """

    name: str
    figure: Figure
    caption: str
    numbers: Numbers


class Listing(NamedTuple):
    """A long text that is folded away below a line."""

    summary: str
    text: str


class Section(NamedTuple):
    """A heading and what stands below it: texts, tables of numbers, pictures."""

    title: str
    blocks: Sequence[str | Numbers | Picture | Listing]


def write(
    out: epath.PathLike, title: str, subtitle: str, sections: Sequence[Section]
) -> epath.Path:
    """Writes index.html, and a PNG and a CSV of every picture.

    Args:
        out: folder, made if absent.
        title: of the page.
        subtitle: a line below it.
        sections: in their order.

    Returns:
        the path of the page, which is written last.
    """
    out = epath.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    for block in (block for section in sections for block in section.blocks):
        if isinstance(block, Picture):
            assert block.name not in names, block.name
            names.add(block.name)
            (out / f"{block.name}.png").write_bytes(figures.png(block.figure))
            (out / f"{block.name}.csv").write_bytes(as_csv(block.numbers))
    text = "\n".join(_page(title, subtitle, sections))
    # A name that the file system gave in another encoding has letters that UTF-8 lacks.
    files.write_whole(out / INDEX, text.encode(errors="replace"))
    return out / INDEX


def as_csv(numbers: Numbers) -> bytes:
    """The numbers as a CSV file."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(numbers.header)
    lines.writerows(numbers.rows)
    return text.getvalue().encode(errors="replace")


def _page(title: str, subtitle: str, sections: Sequence[Section]) -> Iterator[str]:
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{_text(title)}</h1><p>{_text(subtitle)}</p>"
    links = (
        f'<a href="#s{i}">{_text(one.title)}</a>' for i, one in enumerate(sections)
    )
    yield f"<nav>{' '.join(links)}</nav>"
    for i, section in enumerate(sections):
        yield f'<section id="s{i}"><h2>{_text(section.title)}</h2>'
        for block in section.blocks:
            yield from _block(block)
        yield "</section>"
    yield "</body></html>"


def _block(block: str | Numbers | Picture | Listing) -> Iterator[str]:
    if isinstance(block, Picture):
        yield from _picture(block)
    elif isinstance(block, Listing):
        yield f"<details><summary>{_text(block.summary)}</summary>"
        yield f"<pre>{_text(block.text)}</pre></details>"
    elif isinstance(block, Numbers):
        yield from _table(block)
    else:
        yield f"<p>{_text(block)}</p>"


def _picture(picture: Picture) -> Iterator[str]:
    width = picture.figure.get_figwidth()
    kind = "wide" if width > figures.WIDTH + 1 else "narrow"
    caption, name = _text(picture.caption), _text(picture.name)
    yield f'<figure class="{kind}">'
    yield f'<img src="{name}.png" alt="{caption}" style="width:{width:.2f}in">'
    yield f'<figcaption>{caption} <a href="{name}.csv">numbers</a></figcaption>'
    yield "</figure>"


def _table(numbers: Numbers) -> Iterator[str]:
    head = "".join(f"<th>{_text(name)}</th>" for name in numbers.header)
    yield f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>'
    for row in numbers.rows:
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in row)
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"


def _text(value: object) -> str:
    return html.escape(str(value))


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 7.6in;
  margin: 1.5em auto; padding: 0 1em; }
h1 { font-size: 1.5em; overflow-wrap: anywhere; }
h2 { font-size: 1.2em; margin-top: 2em; border-bottom: 1px solid #bbb; }
nav a { margin-right: 1em; }
figure { margin: 1em 0; }
figure.narrow img { max-width: 100%; }
figure.wide, div.table { overflow-x: auto; }
/* A shadow at a side where there is more to scroll to. */
div.table { margin: 1em 0;
  background-image: linear-gradient(90deg, #fff 40%, #fff0),
    linear-gradient(270deg, #fff 40%, #fff0),
    linear-gradient(90deg, #0006, #0000), linear-gradient(270deg, #0006, #0000);
  background-position: 0 0, 100% 0, 0 0, 100% 0; background-repeat: no-repeat;
  background-size: 3em 100%, 3em 100%, 1em 100%, 1em 100%;
  background-attachment: local, local, scroll, scroll; }
figcaption { font-size: 13px; color: #444; }
table { border-collapse: collapse; font-size: 13px; }
th, td { padding: 0.2em 0.6em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
pre { font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 40em) {
  table { font-size: 12px; }
  th, td { padding: 0.2em 0.3em; }
  td:first-child { overflow-wrap: anywhere; min-width: 8em; }
}
@media print {
  body { margin: 0; max-width: none; }
  nav { display: none; }
  figure, table { break-inside: avoid; }
  figure.wide img { max-width: 100%; }
  div.table { overflow-x: visible; background: none; }
}
"""
