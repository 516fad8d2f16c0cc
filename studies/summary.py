"""The first table of RESULTS.md: a line for each finding, over all studies."""

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


class Finding(NamedTuple):
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
FINDINGS = (
    Finding(BY_AVERAGE, "hmdb51/table6", *FUSED),
    Finding(BY_AVERAGE, "ucf101/table6", *FUSED),
    Finding(BY_AVERAGE, "hmdb51/joint", A, "joint_b", FUSED),
    Finding(BY_AVERAGE, "made/parts", *FUSED),
    Finding(BY_CONCAT, "hmdb51/table3", *CONCAT),
    Finding(BY_CONCAT, "ucf101/table3", *CONCAT),
    Finding(OF_PATHS, "hmdb51/table4", *PATHS),
    Finding(OF_PATHS, "made/parts", "whole_one_path", D, PATHS),
    Finding(BY_STCB, "hmdb51/table5", *POOLING),
    Finding(BY_STCB, "made/parts", "table6_c", D),
    Finding(BY_MOTION, "hmdb51/table5", *MOTION),
    Finding(BY_MOTION, "made/parts", D, "whole_attention_temporal", MOTION),
    Finding(OF_ALL, "hmdb51/table6", *WHOLE),
    Finding(f"{OF_ALL}, d = 16384", "hmdb51/wide", A, "wide_d", WHOLE),
    Finding(OF_ALL, "hmdb51/joint", A, "joint_d", WHOLE),
    Finding(OF_ALL, "made/parts", *WHOLE),
    Finding("L2 with its scale vs. L2 alone", "made/normalisation", "norm_no_scale", D),
    Finding("partial batch norm vs. full", "made/recipe", D, "recipe_bn_first"),
    Finding("dropout 0.8 vs. 0.2", "made/recipe", D, "recipe_dropout_8"),
)


def of_findings(results: epath.Path) -> str:
    """The summary of the studies in a folder; empty where none has a finding yet."""
    lines = [line for one in FINDINGS if (line := _line(one, results))]
    return markdown.table(HEADER, lines) if lines else ""


def _line(finding: Finding, results: epath.Path) -> list[str]:
    study, _, name = finding.table.partition("/")
    table = STUDIES[study].tables[name]
    predictions = ResultStore(results / study).read(name)
    if predictions is None:
        return []
    compared = (finding.baseline, finding.variant)
    rows = {row.variant: row for row in table.rows}
    base, ours = (
        accuracy_tables.correct(table, predictions, rows[one]) for one in compared
    )
    common = [repeat for repeat in ours if repeat in base]
    if not common:
        return []
    base, ours = ({repeat: one[repeat] for repeat in common} for one in (base, ours))
    labels = accuracy_tables.labels_of(predictions)
    accuracies = (accuracy_tables.accuracy(one, labels)[0] for one in (base, ours))
    means = (one.split()[0] for one in accuracies)
    difference = accuracy_tables.difference(ours, base, labels)[0]
    streams = "joint" if study == "made" or name == "joint" else "frozen"
    protocol = (f"{CLIPS[study]}, {len(labels)}", streams, str(len(common)))
    paper = _of_paper(*(finding.of_paper or compared))
    return [finding.text, *protocol, *means, difference, paper]


def _of_paper(baseline: str, variant: str) -> str:
    rows = (row for table in PAPER.values() for row in table.rows)
    numbers = {row.variant: row.numbers[0] for row in rows}
    first, second = numbers.get(baseline), numbers.get(variant)
    return f"{second - first:+.1f}" if first and second else "-"
