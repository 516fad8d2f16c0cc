"""The HTML page of a report: sections of text, tables, listings and pictures.

It needs neither a network nor scripts, and its folder can be moved.
"""

import csv
import html
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etils import epath
from matplotlib.figure import Figure

from stpn_jax import report
from stpn_jax.figures import style
from stpn_jax.utils import files

INDEX = report.INDEX


class Numbers(NamedTuple):
    """A table: a header and rows of numbers or texts."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]


class Picture(NamedTuple):
    """NAME.png with a caption, and NAME.csv with the numbers that it shows."""

    name: str
    figure: Figure
    caption: str
    numbers: Numbers


class Listing(NamedTuple):
    """A long text that unfolds when its summary is clicked."""

    summary: str
    text: str


Block = str | Numbers | Picture | Listing


class Section(NamedTuple):
    """A heading and the blocks below it."""

    title: str
    blocks: Sequence[Block]


def write(
    out: epath.PathLike, title: str, subtitle: str, sections: Sequence[Section]
) -> epath.Path:
    """Writes PNG and CSV of all pictures, of distinct names, then index.html.

    Args:
        out: folder, made if absent.
        title: of the page.
        subtitle: a line below it.
        sections: from top to bottom.

    Returns:
        the path of the page.
    """
    out = epath.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    blocks = (block for section in sections for block in section.blocks)
    pictures = [block for block in blocks if isinstance(block, Picture)]
    names = [picture.name for picture in pictures]
    assert len(names) == len(set(names)), names
    for name, figure, _, numbers in pictures:
        (out / f"{name}.png").write_bytes(style.png(figure))
        (out / f"{name}.csv").write_bytes(as_csv(numbers))
    text = "\n".join(_page(title, subtitle, sections))
    # File names that are not valid UTF-8 contain characters that it cannot encode.
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
    titles = [_text(section.title) for section in sections]
    links = (f'<a href="#s{i}">{one}</a>' for i, one in enumerate(titles))
    yield f"<nav>{' '.join(links)}</nav>"
    for i, section in enumerate(sections):
        yield f'<section id="s{i}"><h2>{titles[i]}</h2>'
        yield from map(_block, section.blocks)
        yield "</section>"
    yield "</body></html>"


def _block(block: Block) -> str:
    if isinstance(block, Picture):
        return _picture(block)
    if isinstance(block, Listing):
        summary, text = map(_text, block)
        return f"<details><summary>{summary}</summary>\n<pre>{text}</pre></details>"
    if isinstance(block, Numbers):
        return _table(block)
    return f"<p>{_text(block)}</p>"


def _picture(picture: Picture) -> str:
    width = picture.figure.get_figwidth()
    kind = "wide" if width > style.WIDTH + 1 else "narrow"
    caption, name = _text(picture.caption), _text(picture.name)
    return (
        f'<figure class="{kind}">\n'
        f'<img src="{name}.png" alt="{caption}" style="width:{width:.2f}in">\n'
        f'<figcaption>{caption} <a href="{name}.csv">numbers</a></figcaption>\n'
        "</figure>"
    )


def _table(numbers: Numbers) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in numbers.header)
    lines = [f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>']
    for row in numbers.rows:
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in row)
        lines.append(f"<tr>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])


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
/* A shadow on the sides that can be scrolled to. */
div.table { margin: 1em 0; background:
  linear-gradient(90deg, #fff 40%, #fff0) 0 0 / 3em 100% no-repeat local,
  linear-gradient(270deg, #fff 40%, #fff0) 100% 0 / 3em 100% no-repeat local,
  linear-gradient(90deg, #0006, #0000) 0 0 / 1em 100% no-repeat scroll,
  linear-gradient(270deg, #0006, #0000) 100% 0 / 1em 100% no-repeat scroll; }
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
