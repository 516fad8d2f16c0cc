"""The first table of RESULTS.md: a line for each comparison, over all studies."""

from typing import NamedTuple

from etils import epath

from stpn_jax.utils import markdown
from studies import accuracy_tables
from studies.result_store import ResultStore
from studies.tables import PAPER, STUDIES

HEADER = (
    *("comparison", "clips", "streams", "seeds"),
    *("baseline", "variant", "difference", "paper's difference"),
)
CLIPS = {"hmdb51": "HMDB51", "ucf101": "UCF101", "made": "synthetic"}


class Comparison(NamedTuple):
    """Two variants of a table that are compared.

    Attributes:
        text: the variant, then the baseline.
        table: STUDY/TABLE.
        baseline: name of a variant.
        variant: name of the one that is compared with it.
        of_paper: the paper's numbers are of these two, where not of the same.
    """

    text: str
    table: str
    baseline: str
    variant: str
    of_paper: tuple[str, ...] = ()


A, D = "table6_a", "table6_d"
FUSED, WHOLE = (A, "table6_b"), (A, D)
CONCAT = ("table3_concatenation", "table3_stcb4096")
PATHS = ("table4_one_path", "table4_stcb3")
POOLING = ("table5_average", "table5_stcb")
MOTION = ("table5_stcb", "table5_temporal")
BY_AVERAGE = "STCB of the streams vs. their average"
BY_CONCAT = "STCB of the streams vs. concatenation"
OF_PATHS = "STCB of three paths vs. one path"
BY_STCB = "attention by STCB vs. average pooling"
BY_MOTION = "attention from motion alone vs. by STCB"
OF_ALL = "whole pyramid (D) vs. average (A)"
COMPARISONS = (
    Comparison(BY_AVERAGE, "hmdb51/table6", *FUSED),
    Comparison(BY_AVERAGE, "ucf101/table6", *FUSED),
    Comparison(BY_AVERAGE, "hmdb51/joint", A, "joint_b", FUSED),
    Comparison(BY_AVERAGE, "made/parts", *FUSED),
    Comparison(BY_CONCAT, "hmdb51/table3", *CONCAT),
    Comparison(BY_CONCAT, "ucf101/table3", *CONCAT),
    Comparison(OF_PATHS, "hmdb51/table4", *PATHS),
    Comparison(OF_PATHS, "made/parts", "whole_one_path", D, PATHS),
    Comparison(BY_STCB, "hmdb51/table5", *POOLING),
    Comparison(BY_STCB, "made/parts", "table6_c", D),
    Comparison(BY_MOTION, "hmdb51/table5", *MOTION),
    Comparison(BY_MOTION, "made/parts", D, "whole_attention_temporal", MOTION),
    Comparison(OF_ALL, "hmdb51/table6", *WHOLE),
    Comparison(f"{OF_ALL}, d = 16384", "hmdb51/wide", A, "wide_d", WHOLE),
    Comparison(OF_ALL, "hmdb51/joint", A, "joint_d", WHOLE),
    Comparison(OF_ALL, "made/parts", *WHOLE),
    Comparison(
        "L2 with its scale vs. L2 alone", "made/normalisation", "norm_no_scale", D
    ),
    Comparison("partial batch norm vs. full", "made/recipe", D, "recipe_bn_first"),
    Comparison("dropout 0.8 vs. 0.2", "made/recipe", D, "recipe_dropout_8"),
)


def of_comparisons(results: epath.Path) -> str:
    """The summary of the studies in a folder; empty where none has a comparison yet."""
    lines = [line for one in COMPARISONS if (line := _line(one, results))]
    return markdown.table(HEADER, lines) if lines else ""


def _line(comparison: Comparison, results: epath.Path) -> list[str]:
    study, _, name = comparison.table.partition("/")
    table = STUDIES[study].tables[name]
    predictions = ResultStore(results / study).read(name)
    if predictions is None:
        return []
    compared = (comparison.baseline, comparison.variant)
    rows = {row.variant: row for row in table.rows}
    base, ours = (
        accuracy_tables.correct(table, predictions, rows[one]) for one in compared
    )
    common = [repeat for repeat in ours if repeat in base]
    if not common:
        return []
    base, ours = ({repeat: one[repeat] for repeat in common} for one in (base, ours))
    clips = accuracy_tables.Clips.of(predictions)
    accuracies = (accuracy_tables.accuracy(one, clips)[0] for one in (base, ours))
    means = (one.split()[0] for one in accuracies)
    difference = accuracy_tables.difference(ours, base, clips)[0]
    streams = "joint" if study == "made" or name == "joint" else "frozen"
    protocol = (f"{CLIPS[study]}, {len(clips.labels)}", streams, str(len(common)))
    paper = _of_paper(*(comparison.of_paper or compared))
    return [comparison.text, *protocol, *means, difference, paper]


def _of_paper(baseline: str, variant: str) -> str:
    rows = (row for table in PAPER.values() for row in table.rows)
    numbers = {row.variant: row.numbers[0] for row in rows}
    first, second = numbers.get(baseline), numbers.get(variant)
    return f"{second - first:+.1f}" if first and second else "-"
