"""Names, messages and documents use the field's words: `pytest tests/test_glossary.py`.

What is left of GLOSSARY fails a test with its file, its line and the word to use.
"""

import ast
import functools
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

GLOSSARY = {
    "doors?": "command",
    "made (videos?|sets?)": "synthetic videos",
    "looks?|doubts?": "warning",
    "told": "reported",
    "refus(e|es|ed|al)": "rejected",
    "last maps?": "feature map",
    "image maps?": "spatial feature map",
    "motion maps?": "motion feature map",
    "moments?": "sampling position",
    "views?": "crop",
    "rows? of (an|the) array": "locations",
    "rows? of (the )?(results?|studies|study|tables?)": "variants",
    "drawn (by|from|again|anew|with|without|at random)": "sampled",
    "draws (the )?(seeds?|weights|sketch|sketches|positions?)": "samples",
    "(a|the|each|every|one|per|seed) draw|(of|over|seed) draws": "sketch seed, sample",
    "luck": "variance over sketch seeds",
    "parts? of the (pyramid|network|model)": "components",
    "halves": "held-out streams",
    "books?": "result store",
    "answers?": "predictions",
    "trials?": "runs",
    "choices": "hyperparameter search",
    r"config\.[a-z.]*\.drops": "lr_milestones",
    r"config\.[a-z.]*\.clip": "max_grad_norm",
    r"config\.[a-z.]*\.multipliers": "lr_multipliers",
    "drop factor": "lr_decay",
    "device batch": "microbatch_size",
    "graft(s|ed|ing)?": "assign weights",
    "gazes?": "attention figure",
    "films?": "video writer",
    "verdicts?": "error analysis",
    "findings?": "video discovery",
    "looking": "read frames",
    "observing": "collect outputs",
    "claim(s|ed)?": "register",
    "goes on": "resumes",
    "given again": "rerun",
}
"""Words, as regular expressions, and the term instead; a space is also `_`."""

NAMES = GLOSSARY | {"^draws$": "samples"}
"""For names alone: a text may say that a command draws a picture."""

FIELDS = {
    "^drops$": "lr_milestones",
    "^clip$": "max_grad_norm",
    "^multipliers$": "lr_multipliers",
}
"""For fields of configs alone: elsewhere the words are right."""

EXCEPTIONS = {
    # Earlier names of fields, which are still read.
    "stpn_jax/config.py": {"views", "drop_factor", "device_batch"},
    "stpn_jax/export/artifact.py": {"views"},
    "tests/test_config.py": {"config.stages.pyramid.drops", "device_batch", "views"},
    "tests/test_fixtures.py": {"config.stages.temporal.clip", "answers"},
    # Names on disk.
    "studies/__main__.py": {"choices"},
    "studies/result_store.py": {"answers"},
    "studies/tables.py": {"halves"},
    "tests/studies/test_result_store.py": {"answers"},
    "tests/studies/test_search.py": {"choices"},
}
"""File -> what may stand there."""

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROSE = ("*.md", "docs/*.md", "launch/*.md", "results/*.md")
SCRIPTS = "launch/*.sh"
CODE = ("stpn_jax", "studies", "configs", "benchmarks", "tests")
NOT_OURS = ("tests/fixtures/", "tests/test_glossary.py")  # Of an earlier version.

Found = tuple[int, str, str]
"""Line, word and term."""


class Source(NamedTuple):
    """A file by its name in the repository."""

    name: str
    text: str


# The check.


@functools.cache
def _patterns(table: tuple[str, ...]) -> tuple[re.Pattern[str], list[re.Pattern[str]]]:
    """One for all words, and one for each."""
    words = [word.replace("(", "(?:").replace(" ", r"[\s_]+") for word in table]
    either = re.compile(rf"(?<![a-z])(?:{'|'.join(words)})(?![a-z])")
    return either, [re.compile(word) for word in words]


def find(text: str, table: Mapping[str, str], line: int = 1) -> Iterator[Found]:
    """Words of a text that begins on a line."""
    either, words = _patterns(tuple(table))
    for match in either.finditer(text.lower()):
        terms = zip(words, table.values(), strict=True)
        term = next(term for word, term in terms if word.fullmatch(match.group()))
        yield line + text.count("\n", 0, match.start()), match.group(), term


def in_prose(markdown: str) -> Iterator[Found]:
    """Words outside code blocks, `literals`, comments and addresses."""
    literal = r"(?ms)^ *```.*?^ *```|`[^`]*`|<!--.*?-->|(?<=\])\([^)]*\)"
    blank = re.sub(literal, lambda m: "`" + "\n" * m.group().count("\n"), markdown)
    yield from find(blank, GLOSSARY)


def in_texts(code: str) -> Iterator[Found]:
    """Words in strings, docstrings and comments."""
    if not any(find(code, GLOSSARY)):
        return  # It saves parsing most files.
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from find(node.value, GLOSSARY, node.lineno)
    for number, line in enumerate(code.splitlines(), 1):
        if comment := re.search(r"(?:^|\s)#\s.*", line):
            yield from find(comment.group(), GLOSSARY, number)


def in_names(code: str) -> Iterator[Found]:
    """Words in what code defines: functions, classes, arguments, variables, fields."""
    anywhere = NAMES | FIELDS if "Config:" in code else NAMES
    if not any(find(_words(code), {word.strip("^$"): "" for word in anywhere})):
        return
    for node in ast.walk(ast.parse(code)):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.arg(arg=name)
                | ast.alias(asname=str(name))
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield from find(_words(name), NAMES, node.lineno)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    yield from find(ast.unparse(field.target), FIELDS, field.lineno)


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)


# The repository.


@functools.cache
def sources(*patterns: str) -> tuple[Source, ...]:
    paths = (path for pattern in patterns for path in sorted(ROOT.glob(pattern)))
    named = ((path.relative_to(ROOT).as_posix(), path) for path in paths)
    return tuple(
        Source(name, path.read_text())
        for name, path in named
        if not name.startswith(NOT_OURS)
    )


def code() -> tuple[Source, ...]:
    return sources(*(f"{folder}/**/*.py" for folder in CODE))


Uses = tuple[tuple[str, Found], ...]
"""File and word."""


@functools.cache
def used_words() -> Uses:
    """Of texts; exceptions too."""
    texts = [(in_prose(file.text), file) for file in sources(*PROSE)]
    texts += [(find(file.text, GLOSSARY), file) for file in sources(SCRIPTS)]
    texts += [(in_texts(file.text), file) for file in code()]
    return tuple((file.name, one) for found, file in texts for one in found)


@functools.cache
def used_names() -> Uses:
    names = [(find(_words(file.name), NAMES), file) for file in code()]
    names += [(in_names(file.text), file) for file in code()]
    return tuple((file.name, one) for found, file in names for one in found)


def offenders(uses: Uses) -> list[str]:
    return [
        f"{name}:{line}: {' '.join(word.split())} -> {term}"
        for name, (line, word, term) in sorted(set(uses))
        if word not in EXCEPTIONS.get(name, ())
    ]


# The tests.


def test_prose_and_messages_use_the_words_of_the_field():
    found = offenders(used_words())
    assert not found, "\n" + "\n".join(found)


def test_names_use_the_words_of_the_field():
    found = offenders(used_names())
    assert not found, "\n" + "\n".join(found)


def test_every_exception_is_in_use():
    there = {(name, word) for name, (_, word, _) in (*used_words(), *used_names())}
    listed = {(name, word) for name, words in EXCEPTIONS.items() for word in words}
    assert not listed - there


def words(found: Iterator[Found]) -> list[tuple[int, str]]:
    return sorted((line, word) for line, word, _ in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# A title\n\nThe door\nto it", [(3, "door")]),
        ("Made\nvideos", [(1, "made\nvideos")]),
        ("ten Views", [(1, "views")]),
        ("rows of studies/tables.py", [(1, "rows of studies")]),
        ("error bars over draws", [(1, "over draws")]),
        ("`views` and [a page](views.md)", []),
        ("```\n--views\n```\n<!-- views\n-->\nviews", [(6, "views")]),
        ("a preview, indoors, looked up, rows of a table file", []),
        ("It draws a figure; drawn lines", []),
    ],
)
def test_finds_words_of_prose(text, expected):
    assert words(in_prose(text)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('raise ValueError("was refused")', [(1, "refused")]),
        ('f"{x} views"\nx = """\n\n10 views"""', [(1, "views"), (4, "views")]),
        (
            "def f():\n    'Its answer.'\n    # a verdict",
            [(2, "answer"), (3, "verdict")],
        ),
        ('add("--views", choices=(1, 2))', [(1, "views")]),
        ('flag = "--config.stages.x.clip=1"', [(1, "config.stages.x.clip")]),
        ("x.view(np.uint8)  # np.clip", []),
        ('Path("clip.avi"), "drops", "rows"', []),
    ],
)
def test_finds_words_of_texts(code, expected):
    assert words(in_texts(code)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def looks_told(verdict): pass", ["looks", "told", "verdict"]),
        ("class DoorView: pass", ["door", "view"]),
        ("self.moments, device_batch = 1, 2", ["moments", "device_batch"]),
        ("import book as book", ["book"]),
        ("draws = [view for view in x]", ["draws", "view"]),
        ("class StageConfig:\n    drops: int\n    lr_multipliers: int", ["drops"]),
        ("class Clip:\n    drops: int\n    clip: int", []),
        ("x.view(int); parse(choices=1); row = draw(rows); overlook = 1", []),
    ],
)
def test_finds_words_of_names(code, expected):
    assert sorted(word for _, word, _ in in_names(code)) == sorted(expected)
