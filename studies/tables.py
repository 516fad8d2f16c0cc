"""The tables of the paper and of RESULTS.md: variants, with the paper's numbers.

Every row is a variant of each config: `configs/ucf101.py:table3_sum`, and after one of
the file's own variants `configs/ucf101.py:lite0,table3_sum`. Where variants compare
operators, only the operator changes: the normalisation after it, the schedule and the
streams stay.

Source of the numbers: Wang, Long, Wang, Yu: Spatiotemporal Pyramid Network for Video
Action Recognition, CVPR 2017, Tables 2 to 7; accuracy in percent on UCF101, split 1,
where nothing else is said.
"""

import copy
from collections.abc import Mapping
from typing import Any

from configs import variants
from stpn_jax.utils.errors import UsageError
from studies import recipes
from studies.rows import (
    Change,
    Config,
    Row,
    Study,
    Table,
    in_turn,
    keep,
    parametrised,
    row,
    table,
    values,
)

SPATIAL, TEMPORAL, AVERAGE = ("spatial",), ("temporal",), ("spatial", "temporal")
PYRAMID, PATHS, ATTENDED = ("pyramid",), ("paths",), ("attended",)
LEVELS = ("temporal", "attention", "pyramid")
CONCAT = "concatenation"
STREAMS = (SPATIAL, TEMPORAL, AVERAGE)
STREAM_COLUMNS = ("spatial", "temporal", "two-stream")


whole = parametrised(variants.use_backbone)
"""Table 7: the whole network on another backbone."""


def fusion(*levels: str, **fields: Any) -> Change:
    """Sets fields of the fusion at some levels."""
    return in_turn(*(values(f"model.{level}", **fields) for level in levels))


def pyramid(**fields: Any) -> Change:
    """Sets fields of the stage that trains the whole network."""
    return values("stages.pyramid", **fields)


def model(**fields: Any) -> Change:
    """Sets fields of the network."""
    return values("model", **fields)


def last_level(kind: str, **fields: int) -> Change:
    """Table 3: the last level alone, over the streams' pooled features."""
    last = fusion("pyramid", kind=kind, **fields)
    return in_turn(model(attention_from="none"), pyramid(paths=1), last)


@parametrised
def first_level(config: Config, kind: str, paths: int) -> None:
    """Table 4: the first level alone, over copies of the temporal stream."""
    config.model.temporal.kind = kind
    stage = copy.deepcopy(config.stages.pyramid)
    stage.update(network="temporal", paths=paths, init=TEMPORAL)
    keep(*TEMPORAL)(config)
    config.stages.paths = stage


@parametrised
def attention_level(config: Config, source: str, kind: str = "stcb") -> None:
    """Table 5: the second level alone; only the attended feature is classified."""
    config.model.attention_from = source
    config.model.attention.kind = kind
    stage = copy.deepcopy(config.stages.pyramid)
    stage.update(network="attended", paths=1)
    keep(*AVERAGE)(config)
    config.stages.attended = stage


def joint(of: Row) -> Change:
    """A variant whose streams are trained with it, at the streams' batch.

    400 updates leave D with a quarter of the training clips wrong.
    """
    steps = {"steps": 1200, "lr_milestones": (720, 1020)}
    schedule = pyramid(cached_crops=0, batch=16, learning_rate=0.001, **steps)
    return in_turn(schedule, of.change)


@parametrised
def wide(config: Config, of: Row) -> None:
    """A variant whose sketches are four times as long."""
    for level in LEVELS:
        config.model[level].width *= 4
    of.change(config)


def half(of: Row, trained_on: str = "train") -> Change:
    """A variant over streams of half of the training groups, trained on either half."""
    streams = values("data", validation_fraction=0.5)
    return in_turn(streams, pyramid(trained_on=trained_on), of.change)


def _backbone(label: str, name: str, *numbers: float) -> Row:
    two_streams = in_turn(whole(name), keep(*AVERAGE))
    return Row(label, f"table2_{name}", two_streams, STREAMS, numbers)


def _paths(label: str, kind: str, count: int, number: float) -> Row:
    return row(label, f"table4_{kind}{count}", first_level(kind, count), number, PATHS)


def _attention(label: str, name: str, number: float, source: str, kind: str) -> Row:
    level = attention_level(source, kind)
    return row(label, f"table5_{name}", level, number, ATTENDED)


def _whole(label: str, name: str, *numbers: float) -> Row:
    return Row(label, f"table7_{name}", whole(name), (PYRAMID,) * 2, numbers)


def _fused(label: str, name: str, kind: str, *levels: str) -> Row:
    change = fusion(*levels, kind=kind)
    return row(f"{label} by {kind}", f"whole_{name}_{kind}", change)


def _attended(label: str, source: str) -> Row:
    change = model(attention_from=source)
    return row(f"attention from {label} alone", f"whole_attention_{source}", change)


def _normalised(label: str, name: str, *levels: str, **fields: Any) -> Row:
    return row(label, f"norm_{name}", fusion(*(levels or LEVELS), **fields))


def _held_out(label: str, name: str, of: Row) -> tuple[Row, Row]:
    other = row(
        f"{label}, held-out streams", f"half_unseen_{name}", half(of, "validation")
    )
    return row(label, f"half_seen_{name}", half(of)), other


CONCATENATED = row(CONCAT, "table3_concatenation", last_level(CONCAT), 92.4)
ONE_PATH = row("one path", "table4_one_path", keep(*TEMPORAL), 87.0, TEMPORAL)
STCB_3 = _paths("STCB, 3 paths", "stcb", 3, 89.3)
STCB_5 = _paths("STCB, 5 paths", "stcb", 5, 89.2)
STCB_ATTENTION = _attention("attention, STCB", "stcb", 86.6, "both", "stcb")
A = row("A: two streams", "table6_a", keep(*AVERAGE), 91.7, AVERAGE)
B = row("B: A + STCB of the streams", "table6_b", last_level("stcb"), 93.2)
C = row("C: B + three flow paths", "table6_c", model(attention_from="none"), 93.6)
D = row("D: C + attention", "table6_d", in_turn(), 94.2)

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
    CONCATENATED,
    row("element-wise sum", "table3_sum", last_level("sum"), 92.3),
    row("STCB, d = 1024", "table3_stcb1024", last_level("stcb", width=1024), 92.4),
    row("STCB, d = 2048", "table3_stcb2048", last_level("stcb", width=2048), 92.9),
    row("STCB, d = 4096", "table3_stcb4096", last_level("stcb", width=4096), 93.2),
    row("STCB, d = 8192", "table3_stcb8192", last_level("stcb", width=8192), 93.2),
)
TABLE_4 = table(
    "Fusion of flow paths, flow only",
    ONE_PATH,
    _paths("concatenation, 3 paths", CONCAT, 3, 88.4),
    _paths("concatenation, 5 paths", CONCAT, 5, 88.5),
    _paths("element-wise sum, 3 paths", "sum", 3, 87.9),
    _paths("element-wise sum, 5 paths", "sum", 5, 87.7),
    STCB_3,
    STCB_5,
)
TABLE_5 = table(
    "Pooling of the spatial feature map",
    row("average pooling", "table5_average", keep(*SPATIAL), 84.5, SPATIAL),
    _attention("attention, temporal map only", "temporal", 84.3, "temporal", "stcb"),
    _attention("attention, concatenation", CONCAT, 83.9, "both", CONCAT),
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
# (Diba et al. 2017); attention from the spatial feature map alone.
PRODUCT, IMAGE_ALONE = first_level("product", 3), attention_level("spatial")
EXTRA = table(
    "Beyond the paper",
    B.labelled("STCB of the streams (B)", 93.2),
    row("bilinear pooling of the streams", "extra_bilinear", last_level("bilinear")),
    STCB_3.labelled("STCB of 3 paths", 89.3),
    row("element-wise product of 3 paths", "extra_product3", PRODUCT, stages=PATHS),
    STCB_ATTENTION,
    row("attention, spatial map only", "extra_spatial", IMAGE_ALONE, stages=ATTENDED),
)
_OF_PAPER = (TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7)
PAPER: Mapping[str, Table] = {
    **{str(number): one for number, one in enumerate(_OF_PAPER, 2)},
    "extra": EXTRA,
}
"""By the paper's number: `python -m studies table6`, or `extra`."""

WHOLE = D.labelled("whole network")
AVERAGED = A.labelled("A: two streams, averaged")
MOTION_ALONE = _attended("motion", "temporal")
BOTH_STREAMS = table(
    "Two streams",
    # The numbers are of the paper's BN-Inception.
    Row("EfficientNet-Lite0", "table6_a", A.change, STREAMS, (84.5, 87.0, 91.7)),
    columns=STREAM_COLUMNS,
)
HELD_OUT = table(
    "Levels trained on the streams' half of the clips, or on the other half",
    row("two streams, averaged", "half_a", half(A), stages=AVERAGE),
    *_held_out("concatenation", CONCAT, CONCATENATED),
    *_held_out("STCB", "b", B),
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
    row("one flow path", "whole_one_path", pyramid(paths=1)),
    _fused("paths", "paths", CONCAT, "temporal"),
    _fused("paths", "paths", "sum", "temporal"),
    _fused("attention", "attention", CONCAT, "attention"),
    MOTION_ALONE,
    _attended("the image", "spatial"),
    _fused("last level", "last", CONCAT, "pyramid"),
    _fused("all levels", "all", CONCAT, *LEVELS),
    _fused("all levels", "all", "sum", *LEVELS),
    seeds=3,
)
SKETCHES = table(
    "Attention from both maps or from motion alone, over sketch seeds",
    *(WHOLE, MOTION_ALONE),
    sketches=5,
)
NORMALISATION = table(
    "Normalisation behind each fusion",
    D.labelled("signed square root, L2, scale sqrt(d)"),
    _normalised("without the square root", "no_sqrt", signed_sqrt=False),
    _normalised("without L2 and scale", "no_l2", l2=False, scale=1.0),
    _normalised("without the scale", "no_scale", scale=1.0),
    _normalised(
        "scale at the last level only", "scale_last", "temporal", "attention", scale=1.0
    ),
    _normalised("none of them", "none", signed_sqrt=False, l2=False, scale=1.0),
    seeds=3,
    reference=-1,
)
RECIPE = table(
    "What the paper leaves open",
    D.labelled("as in configs/demo.py"),
    row("batch norm frozen", "recipe_bn_frozen", pyramid(batch_norm="frozen")),
    row("first batch norm trained", "recipe_bn_first", pyramid(batch_norm="first")),
    row("no dropout", "recipe_dropout_0", pyramid(dropout=0.0)),
    row("dropout 0.5", "recipe_dropout_5", pyramid(dropout=0.5)),
    row("dropout 0.8", "recipe_dropout_8", pyramid(dropout=0.8)),
    row("tanh in the attention", "recipe_tanh", model(attention_activation="tanh")),
    row(
        "3 RGB frames a snippet in testing",
        "recipe_frames_3",
        values("evaluation", frames=3),
    ),
    seeds=3,
)
REPLICAS = table(
    "Batch statistics of 8 devices with 4 samples each",
    D.labelled("of each device"),
    row("of all devices", "recipe_sync", model(sync_batch_norm=True)),
    seeds=3,
)

_HMDB51 = {
    "table2": BOTH_STREAMS.repeated(5),
    "table3": TABLE_3.repeated(3),
    "table4": TABLE_4.repeated(3),
    "table5": TABLE_5.repeated(3),
    "table6": TABLE_6.repeated(5),
    "halves": HELD_OUT,
    "wide_paths": WIDE_PATHS,
    "wide": WIDE,
    "joint": JOINT,
}
_UCF101 = {name: _HMDB51[name].repeated(3) for name in ("table2", "table3", "table6")}
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
    "recipes": Study("hmdb51", recipes.TABLES, folds=3, without=recipes.KEPT_OUT),
}
"""By data set, each with a folder of results."""

_STUDIED = (table for study in STUDIES.values() for table in study.tables.values())
ROWS: Mapping[str, Row] = {
    one.variant: one
    for compared in (*PAPER.values(), *_STUDIED)
    for one in compared.rows
}
"""Every row by its variant."""


def split(variant: str, own: tuple[str, ...] = ()) -> tuple[str, str]:
    """A variant NAME, ROW or NAME,ROW as its name and its row, empty where absent.

    Raises UsageError unless NAME is one of the config file's own and ROW is known.
    """
    name, _, of_table = variant.partition(",")
    if name in ROWS and not of_table:
        name, of_table = "", name
    if name not in ("", *own) or of_table not in ("", *ROWS):
        known = ", ".join([*own, *ROWS])
        raise UsageError(f"no variant {variant!r}: expected one of {known}")
    return name, of_table


def apply(config: Config, variant: str) -> Config:
    """The config of a row; an empty variant changes nothing."""
    if variant:
        ROWS[variant].change(config)
    return config
