"""The tables of the paper and of RESULTS.md: which rows, with the paper's numbers.

Every row is a variant of each config: `configs/ucf101.py:table3_sum`, and after one of
the file's own variants `configs/ucf101.py:lite0,table3_sum`.

Source of the numbers: Wang, Long, Wang, Yu: Spatiotemporal Pyramid Network for Video
Action Recognition, CVPR 2017, Tables 2 to 7; accuracy in percent on UCF101, split 1,
where nothing else is said.
"""

import itertools
from collections.abc import Mapping

from studies.rows import (
    ATTENDED,
    AVERAGE,
    LEVELS,
    PATHS,
    PYRAMID,
    SPATIAL,
    TEMPORAL,
    Config,
    Row,
    Study,
    Table,
    attention_from,
    attention_level,
    first_level,
    fusion,
    half,
    joint,
    keep,
    last_level,
    pyramid_stage,
    row,
    table,
    two_streams,
    values,
    whole,
    wide,
)

STREAMS = (SPATIAL, TEMPORAL, AVERAGE)
STREAM_COLUMNS = ("spatial", "temporal", "two-stream")


def _backbone(label: str, name: str, *numbers: float) -> Row:
    return Row(label, f"table2_{name}", two_streams(name), STREAMS, numbers)


def _paths(label: str, kind: str, count: int, number: float) -> Row:
    return row(label, f"table4_{kind}{count}", first_level(kind, count), number, PATHS)


def _attention(label: str, name: str, number: float, source: str, kind: str) -> Row:
    level = attention_level(source, kind)
    return row(label, f"table5_{name}", level, number, ATTENDED)


def _whole(label: str, name: str, *numbers: float) -> Row:
    return Row(label, f"table7_{name}", whole(name), (PYRAMID,) * 2, numbers)


CONCATENATION = row(
    "concatenation", "table3_concatenation", last_level("concatenation"), 92.4
)
ONE_PATH = row("one path", "table4_one_path", keep(*TEMPORAL), 87.0, TEMPORAL)
STCB_3 = _paths("STCB, 3 paths", "stcb", 3, 89.3)
STCB_5 = _paths("STCB, 5 paths", "stcb", 5, 89.2)
STCB_ATTENTION = _attention("attention, STCB", "stcb", 86.6, "both", "stcb")
A = row("A: two streams", "table6_a", keep(*AVERAGE), 91.7, AVERAGE)
B = row("B: A + STCB of the streams", "table6_b", last_level("stcb"), 93.2)
C = row("C: B + three flow paths", "table6_c", attention_from("none"), 93.6)
D = row("D: C + attention", "table6_d", values({}), 94.2)

TABLE_2 = table(
    "Two streams on different base architectures",
    _backbone("VGG-16", "vgg16", 80.5, 85.4, 88.9),
    _backbone("ResNet-50", "resnet50", 83.7, 84.9, 90.3),
    _backbone("ResNet-152", "resnet152", 84.3, 82.1, 89.8),
    _backbone("BN-Inception", "bn_inception", 84.5, 87.0, 91.7),
    columns=STREAM_COLUMNS,
)
TABLE_3 = table(
    "Fusion of the spatial and the temporal stream",
    row("average", "table3_average", keep(*AVERAGE), 91.7, AVERAGE),
    CONCATENATION,
    row("element-wise sum", "table3_sum", last_level("sum"), 92.3),
    row("STCB, d = 1024", "table3_stcb1024", last_level("stcb", 1024), 92.4),
    row("STCB, d = 2048", "table3_stcb2048", last_level("stcb", 2048), 92.9),
    row("STCB, d = 4096", "table3_stcb4096", last_level("stcb", 4096), 93.2),
    row("STCB, d = 8192", "table3_stcb8192", last_level("stcb", 8192), 93.2),
)
TABLE_4 = table(
    "Fusion of flow paths, flow only",
    ONE_PATH,
    _paths("concatenation, 3 paths", "concatenation", 3, 88.4),
    _paths("concatenation, 5 paths", "concatenation", 5, 88.5),
    _paths("element-wise sum, 3 paths", "sum", 3, 87.9),
    _paths("element-wise sum, 5 paths", "sum", 5, 87.7),
    STCB_3,
    STCB_5,
)
TABLE_5 = table(
    "Pooling of the image map",
    row("average pooling", "table5_average", keep(*SPATIAL), 84.5, SPATIAL),
    _attention("attention, temporal map only", "temporal", 84.3, "temporal", "stcb"),
    _attention(
        "attention, concatenation", "concatenation", 83.9, "both", "concatenation"
    ),
    _attention("attention, element-wise sum", "sum", 83.5, "both", "sum"),
    STCB_ATTENTION,
)
TABLE_6 = table("Ablation", A, B, C, D)
TABLE_7 = table(
    "The whole network, mean of the official splits",
    _whole("VGG-16", "vgg16", 93.2, 66.1),
    _whole("ResNet-50", "resnet50", 93.8, 66.5),
    _whole("BN-Inception", "bn_inception", 94.6, 68.9),
    splits=(1, 2, 3),
    datasets=("ucf101", "hmdb51"),
)
# The whole outer product, which STCB approximates; three paths by element-wise product
# (Diba et al. 2017); attention from the image map alone.
BILINEAR = row(
    "bilinear pooling of the streams", "extra_bilinear", last_level("bilinear")
)
PRODUCT = row("", "extra_product3", first_level("product", 3), stages=PATHS)
IMAGE_ALONE = row("", "extra_spatial", attention_level("spatial"), stages=ATTENDED)
EXTRA = table(
    "Beyond the paper",
    B.labelled("STCB of the streams (B)", 93.2),
    BILINEAR,
    STCB_3.labelled("STCB of 3 paths", 89.3),
    PRODUCT.labelled("element-wise product of 3 paths"),
    STCB_ATTENTION,
    IMAGE_ALONE.labelled("attention, image map only"),
)
PAPER: Mapping[str, Table] = {
    "2": TABLE_2,
    "3": TABLE_3,
    "4": TABLE_4,
    "5": TABLE_5,
    "6": TABLE_6,
    "7": TABLE_7,
    "extra": EXTRA,
}
"""By the paper's number: `python -m studies table6`, or `extra`."""

WHOLE = D.labelled("whole network")
AVERAGED = A.labelled("A: two streams, averaged")
MOTION_ALONE = row(
    "attention from motion alone",
    "whole_attention_temporal",
    attention_from("temporal"),
)
BOTH_STREAMS = table(
    "Two streams",
    # The numbers are of the paper's BN-Inception.
    Row("EfficientNet-Lite0", "table6_a", A.change, STREAMS, (84.5, 87.0, 91.7)),
    columns=STREAM_COLUMNS,
)
HALVES = table(
    "Levels on clips that the streams have seen, or have not; half of the clips each",
    row("two streams, averaged", "half_a", half(A), stages=AVERAGE),
    row("concatenation, seen", "half_seen_concatenation", half(CONCATENATION)),
    row(
        "concatenation, not seen",
        "half_unseen_concatenation",
        half(CONCATENATION, "validation"),
    ),
    row("STCB, seen", "half_seen_b", half(B)),
    row("STCB, not seen", "half_unseen_b", half(B, "validation")),
    seeds=3,
)
WIDE_PATHS = table(
    "Flow paths by longer sketches",
    ONE_PATH.labelled("one path"),
    STCB_3.labelled("STCB, 3 paths, d = 4096"),
    row("STCB, 3 paths, d = 16384", "wide_stcb3", wide(STCB_3), stages=PATHS),
    STCB_5.labelled("STCB, 5 paths, d = 4096"),
    row("STCB, 5 paths, d = 16384", "wide_stcb5", wide(STCB_5), stages=PATHS),
    seeds=3,
)
WIDE = table(
    "The pyramid with longer sketches",
    A.labelled("A: two streams"),
    C.labelled("C, d = 4096"),
    row("C, d = 16384", "wide_c", wide(C)),
    D.labelled("D, d = 4096"),
    row("D, d = 16384", "wide_d", wide(D)),
    seeds=3,
)
JOINT = table(
    "Streams that go on learning with the levels",
    AVERAGED,
    row("B: A + STCB of the streams", "joint_b", joint(B)),
    row("C: B + three flow paths", "joint_c", joint(C)),
    row("D: C + attention", "joint_d", joint(D)),
)
COMPONENTS = table(
    "One thing changed in the whole network",
    WHOLE,
    AVERAGED,
    B.labelled("B: STCB of the streams"),
    C.labelled("C: without attention"),
    row("one flow path", "whole_one_path", pyramid_stage(paths=1)),
    row(
        "paths by concatenation",
        "whole_paths_concatenation",
        fusion("temporal", kind="concatenation"),
    ),
    row("paths by sum", "whole_paths_sum", fusion("temporal", kind="sum")),
    row(
        "attention by concatenation",
        "whole_attention_concatenation",
        fusion("attention", kind="concatenation"),
    ),
    MOTION_ALONE,
    row(
        "attention from the image alone",
        "whole_attention_spatial",
        attention_from("spatial"),
    ),
    row(
        "last level by concatenation",
        "whole_last_concatenation",
        fusion("pyramid", kind="concatenation"),
    ),
    row(
        "all levels by concatenation",
        "whole_all_concatenation",
        fusion(*LEVELS, kind="concatenation"),
    ),
    row("all levels by sum", "whole_all_sum", fusion(*LEVELS, kind="sum")),
    seeds=3,
)
SKETCHES = table(
    "Attention from both maps or from motion alone, over draws of the sketches",
    WHOLE,
    MOTION_ALONE,
    sketches=5,
)
NORMALISATION = table(
    "Normalisation behind each fusion",
    D.labelled("signed square root, L2, scale sqrt(d)"),
    row("without the square root", "norm_no_sqrt", fusion(*LEVELS, signed_sqrt=False)),
    row("without L2 and scale", "norm_no_l2", fusion(*LEVELS, l2=False, scale=1.0)),
    row("without the scale", "norm_no_scale", fusion(*LEVELS, scale=1.0)),
    row(
        "scale at the last level only",
        "norm_scale_last",
        fusion("temporal", "attention", scale=1.0),
    ),
    row(
        "none of them",
        "norm_none",
        fusion(*LEVELS, signed_sqrt=False, l2=False, scale=1.0),
    ),
    seeds=3,
    reference=-1,
)
RECIPE = table(
    "What the paper leaves open",
    D.labelled("as in configs/demo.py"),
    row("batch norm frozen", "recipe_bn_frozen", pyramid_stage(batch_norm="frozen")),
    row(
        "first batch norm trained", "recipe_bn_first", pyramid_stage(batch_norm="first")
    ),
    row("no dropout", "recipe_dropout_0", pyramid_stage(dropout=0.0)),
    row("dropout 0.5", "recipe_dropout_5", pyramid_stage(dropout=0.5)),
    row("dropout 0.8", "recipe_dropout_8", pyramid_stage(dropout=0.8)),
    row(
        "tanh in the attention",
        "recipe_tanh",
        values({"model.attention_activation": "tanh"}),
    ),
    row(
        "3 RGB frames a snippet in testing",
        "recipe_frames_3",
        values({"evaluation.frames": 3}),
    ),
    seeds=3,
)
REPLICAS = table(
    "Batch statistics of 8 devices with 4 samples each",
    D.labelled("of each device"),
    row("of all devices", "recipe_sync", values({"model.sync_batch_norm": True})),
    seeds=3,
)

_HMDB51 = {
    "table2": BOTH_STREAMS.repeated(5),
    "table3": TABLE_3.repeated(3),
    "table4": TABLE_4.repeated(3),
    "table5": TABLE_5.repeated(3),
    "table6": TABLE_6.repeated(5),
    "halves": HALVES,
    "wide_paths": WIDE_PATHS,
    "wide": WIDE,
    "joint": JOINT,
}
_UCF101 = {
    "table2": BOTH_STREAMS.repeated(3),
    "table3": TABLE_3.repeated(3),
    "table6": TABLE_6.repeated(3),
}
_SYNTHETIC = {
    "parts": COMPONENTS,
    "sketches": SKETCHES,
    "normalisation": NORMALISATION,
    "recipe": RECIPE,
}
STUDIES: Mapping[str, Study] = {
    "hmdb51": Study("hmdb51", _HMDB51),
    "ucf101": Study("ucf101", _UCF101),
    "made": Study("made", _SYNTHETIC),
    "replicas": Study("made", {"replicas": REPLICAS}, devices=8),
}
"""By data set, each with a folder of results."""

_TABLES = (PAPER, *(study.tables for study in STUDIES.values()))
ROWS: Mapping[str, Row] = {
    one.variant: one
    for compared in itertools.chain(*(tables.values() for tables in _TABLES))
    for one in compared.rows
}
"""Every row by its variant."""


def split(variant: str, own: tuple[str, ...] = ()) -> tuple[str, str]:
    """A variant NAME, ROW or NAME,ROW as its name and its row, empty where absent.

    Args:
        variant: as it stands behind the config file's name.
        own: the names that the config file has itself.

    Raises:
        ValueError: with the known ones where there is no such variant.
    """
    name, _, of_table = variant.partition(",")
    if name in ROWS and not of_table:
        name, of_table = "", name
    if name not in ("", *own) or of_table not in ("", *ROWS):
        known = ", ".join([*own, *ROWS])
        raise ValueError(f"no variant {variant!r}: expected one of {known}")
    return name, of_table


def apply(config: Config, variant: str) -> Config:
    """The config of a row; an empty variant changes nothing."""
    if variant:
        ROWS[variant].change(config)
    return config
