"""Every row of the paper's tables, as a change of any config.

A row is a variant of each config: `configs/ucf101.py:table3_sum`, and after one of the
file's own variants `configs/ucf101.py:lite0,table3_sum`. `launch/table.sh N` runs all
rows of table N. Where rows compare operators, only the operator changes: the
normalisation after it, the schedule and the streams stay.

Table 2, base architectures: spatial stream, temporal stream, average of their softmax
    table2_vgg16  table2_resnet50  table2_resnet152  table2_bn_inception
Table 3, fusion of the pooled spatial and temporal features, one flow path
    table3_average  table3_concatenation  table3_sum
    table3_stcb1024  table3_stcb2048  table3_stcb4096  table3_stcb8192
Table 4, fusion of 3 and 5 flow paths, flow only
    table4_one_path
    table4_concatenation3  table4_sum3  table4_stcb3
    table4_concatenation5  table4_sum5  table4_stcb5
Table 5, pooling of the image map; the pooled feature alone is classified
    table5_average  table5_temporal  table5_concatenation  table5_sum  table5_stcb
Table 6, ablation: A two streams, B their STCB, C with three paths, D with attention
    table6_a  table6_b  table6_c  table6_d
Table 7, the whole network on three base architectures
    table7_vgg16  table7_resnet50  table7_bn_inception
Beyond the paper
    extra_bilinear   B with the whole outer product, which STCB approximates
    extra_product3   three paths by element-wise product (Diba et al. 2017)
    extra_spatial    attention from the image map alone
"""

import copy
import functools
from collections.abc import Callable

import ml_collections

from configs import base

Config = ml_collections.ConfigDict
# The stages that rows add; those of a whole config are spatial, temporal, pyramid.
PATHS, ATTENDED = "paths", "attended"


def split(variant: str, own: tuple[str, ...] = ()) -> tuple[str, str]:
    """A variant NAME, ROW or NAME,ROW as its name and its row, empty where absent.

    Args:
        variant: as it stands behind the config file's name.
        own: the names that the config file has itself.

    Raises:
        ValueError: with the known ones where there is no such variant.
    """
    name, _, row = variant.partition(",")
    if name in ROWS and not row:
        name, row = "", name
    if name not in ("", *own) or row not in ("", *ROWS):
        known = ", ".join([*own, *ROWS])
        raise ValueError(f"no variant {variant!r}: expected one of {known}")
    return name, row


def apply(config: Config, row: str) -> Config:
    """The config of a row; an empty row changes nothing."""
    if row:
        ROWS[row](config)
    return config


def streams(config: Config) -> None:
    """The two streams, whose softmax outputs the evaluation averages."""
    keep(config, "spatial", "temporal")


def keep(config: Config, *names: str) -> None:
    """Leaves out all other stages."""
    for name in set(config.stages) - set(names):
        del config.stages[name]


def two_streams(config: Config, backbone: str) -> None:
    """Table 2."""
    base.use_backbone(config, backbone)
    streams(config)


def fusion(config: Config, kind: str, width: int = 0) -> None:
    """Table 3: the last level alone, over the streams' pooled features."""
    config.model.attention_from = "none"
    config.model.pyramid.kind = kind
    if width:
        config.model.pyramid.width = width
    config.stages.pyramid.paths = 1


def one_path(config: Config) -> None:
    """Table 4: the temporal stream as it is."""
    keep(config, "temporal")


def paths(config: Config, kind: str, count: int) -> None:
    """Table 4: the first level alone, over copies of the temporal stream."""
    config.model.temporal.kind = kind
    stage = copy.deepcopy(config.stages.pyramid)
    stage.update(network="temporal", paths=count, init=("temporal",))
    one_path(config)
    config.stages[PATHS] = stage


def image_only(config: Config) -> None:
    """Table 5: average pooling is what the spatial stream does."""
    keep(config, "spatial")


def attention(config: Config, source: str, kind: str = "stcb") -> None:
    """Table 5: the second level alone; only the attended feature is classified."""
    config.model.attention_from = source
    config.model.attention.kind = kind
    stage = copy.deepcopy(config.stages.pyramid)
    stage.update(network="attended", paths=1)
    streams(config)
    config.stages[ATTENDED] = stage


def without_attention(config: Config) -> None:
    """Table 6, C."""
    config.model.attention_from = "none"


def whole(config: Config) -> None:
    """Table 6, D: nothing is left out."""


ROWS: dict[str, Callable[[Config], None]] = {
    **{
        f"table2_{name}": functools.partial(two_streams, backbone=name)
        for name in ("vgg16", "resnet50", "resnet152", "bn_inception")
    },
    "table3_average": streams,
    "table3_concatenation": functools.partial(fusion, kind="concatenation"),
    "table3_sum": functools.partial(fusion, kind="sum"),
    **{
        f"table3_stcb{width}": functools.partial(fusion, kind="stcb", width=width)
        for width in (1024, 2048, 4096, 8192)
    },
    "table4_one_path": one_path,
    **{
        f"table4_{kind}{count}": functools.partial(paths, kind=kind, count=count)
        for count in (3, 5)
        for kind in ("concatenation", "sum", "stcb")
    },
    "table5_average": image_only,
    "table5_temporal": functools.partial(attention, source="temporal"),
    **{
        f"table5_{kind}": functools.partial(attention, source="both", kind=kind)
        for kind in ("concatenation", "sum", "stcb")
    },
    "table6_a": streams,
    "table6_b": functools.partial(fusion, kind="stcb"),
    "table6_c": without_attention,
    "table6_d": whole,
    **{
        f"table7_{name}": functools.partial(base.use_backbone, name=name)
        for name in ("vgg16", "resnet50", "bn_inception")
    },
    "extra_bilinear": functools.partial(fusion, kind="bilinear"),
    "extra_product3": functools.partial(paths, kind="product", count=3),
    "extra_spatial": functools.partial(attention, source="spatial"),
}
