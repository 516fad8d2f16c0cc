"""The page is self-contained: its links exist, and names cannot break its HTML."""

import csv
import html.parser
import io
import re
import shutil

import pytest
from reference import legible

from stpn_jax.figures import style
from stpn_jax.report import page
from stpn_jax.utils import markdown


class Reader(html.parser.HTMLParser):
    """Collects texts and links; every element that opens has to close."""

    VOID = ("meta", "img")

    def __init__(self):
        super().__init__()
        self.links, self.texts, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.texts += [value for name, value in attrs if name == "alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert not reader.open
    return reader


def picture(name, width=style.WIDTH):
    figure = style.new(1.0, width)
    figure.text(0.1, 0.5, "text")
    numbers = page.Numbers(("class", "accuracy"), [(n, 0.5) for n in legible.NAMES])
    return page.Picture(name, figure, "A <caption> & more", numbers)


def test_links_are_files_beside_the_page_even_after_a_move(tmp_path):
    section = page.Section("One & two", ["A text.", picture("a"), picture("b", 12.0)])
    page.write(tmp_path / "report", "run", "of a run", [section])
    shutil.move(tmp_path / "report", tmp_path / "moved")
    reader = read(tmp_path / "moved" / page.INDEX)
    files = {link for link in reader.links if not link.startswith("#")}
    assert files == {"a.png", "a.csv", "b.png", "b.csv"}
    assert all((tmp_path / "moved" / name).stat().st_size for name in files)
    assert "A <caption> & more" in reader.texts and "One & two" in reader.texts
    text = (tmp_path / "moved" / page.INDEX).read_text()
    assert not re.search(r"https?://|<script|@import", text)


def test_names_are_escaped(tmp_path):
    names = legible.NAMES
    blocks = [
        page.Numbers(names, [names]),
        page.Listing(names[1], "\n".join(names)),
        names[1],
    ]
    path = page.write(tmp_path, names[1], names[1], [page.Section(names[1], blocks)])
    texts = read(path).texts
    for name in names:
        readable = name.encode(errors="replace").decode()
        assert texts.count(readable) >= 2
    assert texts.count(names[1]) >= 7
    written = picture("x").numbers
    rows = list(csv.reader(io.StringIO(page.as_csv(written).decode())))
    assert rows[2] == [names[1], "0.5"] and len(rows) == 1 + len(names)


def test_two_pictures_with_one_name_are_rejected(tmp_path):
    with pytest.raises(AssertionError, match="a"):
        page.write(tmp_path, "", "", [page.Section("", [picture("a"), picture("a")])])


def test_a_wide_table_scrolls_by_itself(tmp_path):
    table = page.Numbers(["a"] * 30, [["b"] * 30])
    path = page.write(tmp_path, "", "", [page.Section("", [table])])
    text = path.read_text()
    assert '<div class="table"><table>' in text
    assert re.search(r"div\.table \{[^}]*overflow-x: auto", text)


def test_markdown_has_a_line_a_row():
    text = markdown.table(("row", "a|b"), [("x|y", 1), ("z", "2.0")])
    assert text.splitlines() == [
        "| row | a|b |",
        "| --- | ---: |",
        "| x\\|y | 1 |",
        "| z | 2.0 |",
    ]
