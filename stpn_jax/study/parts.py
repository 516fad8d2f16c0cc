"""The parts of the study: which rows, on which data, with how many seeds."""

import dataclasses
from collections.abc import Mapping

from stpn_jax.evaluation import paper
from stpn_jax.evaluation.paper import (
    AVERAGE,
    PATHS,
    PYRAMID,
    SPATIAL,
    TEMPORAL,
    Row,
    Table,
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Rows that are compared with each other.

    Attributes:
        table: their labels, variants and the paper's numbers.
        seeds: trainings of every row.
        sketches: draws of the sketches for each training.
        reference: variant of the row that the others are compared with.
    """

    table: Table
    seeds: int
    reference: str
    sketches: int = 1


@dataclasses.dataclass(frozen=True)
class Part:
    """A data set and what is compared on it.

    Attributes:
        variant: of configs/study.py.
        comparisons: by name.
        devices: that it must run on; 0 for any.
    """

    variant: str
    comparisons: Mapping[str, Comparison]
    devices: int = 0


def _row(label: str, variant: str, result: str = PYRAMID) -> Row:
    return Row(label, variant, (result,), (None,))


_WHOLE = _row("whole network", "table6_d")

STREAMS = Table(
    "Two streams",
    ("spatial", "temporal", "two-stream"),
    (
        Row(
            "EfficientNet-Lite0",
            "table6_a",
            (SPATIAL, TEMPORAL, AVERAGE),
            (84.5, 87.0, 91.7),  # The paper's BN-Inception.
        ),
    ),
)
MATRIX = Table(
    "One thing changed in the whole network",
    ("accuracy",),
    (
        _WHOLE,
        _row("A: two streams, averaged", "table6_a", AVERAGE),
        _row("B: STCB of the streams", "table6_b"),
        _row("C: without attention", "table6_c"),
        _row("one flow path", "whole_one_path"),
        _row("paths by concatenation", "whole_paths_concatenation"),
        _row("paths by sum", "whole_paths_sum"),
        _row("attention by concatenation", "whole_attention_concatenation"),
        _row("attention from motion alone", "whole_attention_temporal"),
        _row("attention from the image alone", "whole_attention_spatial"),
        _row("last level by concatenation", "whole_last_concatenation"),
        _row("all levels by concatenation", "whole_all_concatenation"),
        _row("all levels by sum", "whole_all_sum"),
    ),
)
SKETCHES = Table(
    "Attention from both maps or from motion alone, over draws of the sketches",
    ("accuracy",),
    (_WHOLE, _row("attention from motion alone", "whole_attention_temporal")),
)
NORMALISATION = Table(
    "Normalisation behind each fusion",
    ("accuracy",),
    (
        _row("signed square root, L2, scale sqrt(d)", "table6_d"),
        _row("without the square root", "norm_no_sqrt"),
        _row("without L2 and scale", "norm_no_l2"),
        _row("without the scale", "norm_no_scale"),
        _row("scale at the last level only", "norm_scale_last"),
        _row("none of them", "norm_none"),
    ),
)
RECIPE = Table(
    "What the paper leaves open",
    ("accuracy",),
    (
        _row("as in configs/demo.py", "table6_d"),
        _row("batch norm frozen", "recipe_bn_frozen"),
        _row("first batch norm trained", "recipe_bn_first"),
        _row("no dropout", "recipe_dropout_0"),
        _row("dropout 0.5", "recipe_dropout_5"),
        _row("dropout 0.8", "recipe_dropout_8"),
        _row("tanh in the attention", "recipe_tanh"),
        _row("3 RGB frames a snippet in testing", "recipe_frames_3"),
    ),
)
REPLICAS = Table(
    "Batch statistics of 8 devices with 4 samples each",
    ("accuracy",),
    (
        _row("of each device", "table6_d"),
        _row("of all devices", "recipe_sync"),
    ),
)

JOINT = Table(
    "Streams that go on learning with the levels",
    ("accuracy",),
    (
        _row("A: two streams, averaged", "table6_a", AVERAGE),
        _row("B: A + STCB of the streams", "joint_b"),
        _row("C: B + three flow paths", "joint_c"),
        _row("D: C + attention", "joint_d"),
    ),
)
WIDE_PATHS = Table(
    "Flow paths by longer sketches",
    ("accuracy",),
    (
        _row("one path", "table4_one_path", TEMPORAL),
        _row("STCB, 3 paths, d = 4096", "table4_stcb3", PATHS),
        _row("STCB, 3 paths, d = 16384", "wide_stcb3", PATHS),
        _row("STCB, 5 paths, d = 4096", "table4_stcb5", PATHS),
        _row("STCB, 5 paths, d = 16384", "wide_stcb5", PATHS),
    ),
)
WIDE = Table(
    "The pyramid with longer sketches",
    ("accuracy",),
    (
        _row("A: two streams", "table6_a", AVERAGE),
        _row("C, d = 4096", "table6_c"),
        _row("C, d = 16384", "wide_c"),
        _row("D, d = 4096", "table6_d"),
        _row("D, d = 16384", "wide_d"),
    ),
)
HALVES = Table(
    "Levels on clips that the streams have seen, or have not; half of the clips each",
    ("accuracy",),
    (
        _row("two streams, averaged", "half_a", AVERAGE),
        _row("concatenation, seen", "half_seen_concatenation"),
        _row("concatenation, not seen", "half_unseen_concatenation"),
        _row("STCB, seen", "half_seen_b"),
        _row("STCB, not seen", "half_unseen_b"),
    ),
)

DEVICES = 8
PARTS: Mapping[str, Part] = {
    "hmdb51": Part(
        "hmdb51",
        {
            "table2": Comparison(STREAMS, 5, "table6_a"),
            "table3": Comparison(paper.TABLES["3"], 3, "table3_average"),
            "table4": Comparison(paper.TABLES["4"], 3, "table4_one_path"),
            "table5": Comparison(paper.TABLES["5"], 3, "table5_average"),
            "table6": Comparison(paper.TABLES["6"], 5, "table6_a"),
            "halves": Comparison(HALVES, 3, "half_a"),
            "wide_paths": Comparison(WIDE_PATHS, 3, "table4_one_path"),
            "wide": Comparison(WIDE, 3, "table6_a"),
            "joint": Comparison(JOINT, 1, "table6_a"),
        },
    ),
    "ucf101": Part(
        "ucf101",
        {
            "table2": Comparison(STREAMS, 3, "table6_a"),
            "table3": Comparison(paper.TABLES["3"], 3, "table3_average"),
            "table6": Comparison(paper.TABLES["6"], 3, "table6_a"),
        },
    ),
    "made": Part(
        "made",
        {
            "parts": Comparison(MATRIX, 3, "table6_d"),
            "sketches": Comparison(SKETCHES, 1, "table6_d", sketches=5),
            "normalisation": Comparison(NORMALISATION, 3, "norm_none"),
            "recipe": Comparison(RECIPE, 3, "table6_d"),
        },
    ),
    "replicas": Part(
        "made", {"replicas": Comparison(REPLICAS, 3, "table6_d")}, DEVICES
    ),
}
