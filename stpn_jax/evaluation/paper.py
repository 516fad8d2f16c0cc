"""The paper's tables: which row is which config variant, and the numbers it prints.

Source: Wang, Long, Wang, Yu: Spatiotemporal Pyramid Network for Video Action
Recognition, CVPR 2017, Tables 2 to 7; accuracy in percent on UCF101, split 1, where
nothing else is said.
"""

import dataclasses
from collections.abc import Mapping

SPATIAL, TEMPORAL = "spatial", "temporal"
AVERAGE = "average of spatial and temporal"
PYRAMID, PATHS, ATTENDED = "pyramid", "paths", "attended"


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        label: as the paper has it.
        variant: of configs/rows.py.
        results: row of a run's results.json for each column.
        numbers: the paper's for each column; None where it has none.
    """

    label: str
    variant: str
    results: tuple[str, ...]
    numbers: tuple[float | None, ...]

    @property
    def stages(self) -> list[str]:
        """The stages that the results are of."""
        names = (name.removeprefix("average of ") for name in self.results)
        return [stage for name in names for stage in name.split(" and ")]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: its title, the names of its columns, its rows.

    Attributes:
        title: what is compared.
        columns: of one run; a table over data sets has one for each of them.
        rows: in the paper's order.
        splits: official splits whose mean a cell is; empty for the config's own.
        datasets: whose numbers the columns are, where a table has several.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    splits: tuple[int, ...] = ()
    datasets: tuple[str, ...] = ()


def _base(label: str, variant: str, *numbers: float) -> Row:
    return Row(label, f"table2_{variant}", (SPATIAL, TEMPORAL, AVERAGE), numbers)


def _row(label: str, variant: str, result: str, *numbers: float) -> Row:
    return Row(label, variant, (result,), numbers or (None,))


TABLES: Mapping[str, Table] = {
    "2": Table(
        "Two streams on different base architectures",
        ("spatial", "temporal", "two-stream"),
        (
            _base("VGG-16", "vgg16", 80.5, 85.4, 88.9),
            _base("ResNet-50", "resnet50", 83.7, 84.9, 90.3),
            _base("ResNet-152", "resnet152", 84.3, 82.1, 89.8),
            _base("BN-Inception", "bn_inception", 84.5, 87.0, 91.7),
        ),
    ),
    "3": Table(
        "Fusion of the spatial and the temporal stream",
        ("accuracy",),
        (
            _row("average", "table3_average", AVERAGE, 91.7),
            _row("concatenation", "table3_concatenation", PYRAMID, 92.4),
            _row("element-wise sum", "table3_sum", PYRAMID, 92.3),
            _row("STCB, d = 1024", "table3_stcb1024", PYRAMID, 92.4),
            _row("STCB, d = 2048", "table3_stcb2048", PYRAMID, 92.9),
            _row("STCB, d = 4096", "table3_stcb4096", PYRAMID, 93.2),
            _row("STCB, d = 8192", "table3_stcb8192", PYRAMID, 93.2),
        ),
    ),
    "4": Table(
        "Fusion of flow paths, flow only",
        ("accuracy",),
        (
            _row("one path", "table4_one_path", TEMPORAL, 87.0),
            _row("concatenation, 3 paths", "table4_concatenation3", PATHS, 88.4),
            _row("concatenation, 5 paths", "table4_concatenation5", PATHS, 88.5),
            _row("element-wise sum, 3 paths", "table4_sum3", PATHS, 87.9),
            _row("element-wise sum, 5 paths", "table4_sum5", PATHS, 87.7),
            _row("STCB, 3 paths", "table4_stcb3", PATHS, 89.3),
            _row("STCB, 5 paths", "table4_stcb5", PATHS, 89.2),
        ),
    ),
    "5": Table(
        "Pooling of the image map",
        ("accuracy",),
        (
            _row("average pooling", "table5_average", SPATIAL, 84.5),
            _row("attention, temporal map only", "table5_temporal", ATTENDED, 84.3),
            _row("attention, concatenation", "table5_concatenation", ATTENDED, 83.9),
            _row("attention, element-wise sum", "table5_sum", ATTENDED, 83.5),
            _row("attention, STCB", "table5_stcb", ATTENDED, 86.6),
        ),
    ),
    "6": Table(
        "Ablation",
        ("accuracy",),
        (
            _row("A: two streams", "table6_a", AVERAGE, 91.7),
            _row("B: A + STCB of the streams", "table6_b", PYRAMID, 93.2),
            _row("C: B + three flow paths", "table6_c", PYRAMID, 93.6),
            _row("D: C + attention", "table6_d", PYRAMID, 94.2),
        ),
    ),
    "7": Table(
        "The whole network, mean of the official splits",
        ("accuracy",),
        (
            _row("VGG-16", "table7_vgg16", PYRAMID, 93.2, 66.1),
            _row("ResNet-50", "table7_resnet50", PYRAMID, 93.8, 66.5),
            _row("BN-Inception", "table7_bn_inception", PYRAMID, 94.6, 68.9),
        ),
        splits=(1, 2, 3),
        datasets=("ucf101", "hmdb51"),
    ),
    "extra": Table(
        "Beyond the paper",
        ("accuracy",),
        (
            _row("STCB of the streams (B)", "table6_b", PYRAMID, 93.2),
            _row("bilinear pooling of the streams", "extra_bilinear", PYRAMID),
            _row("STCB of 3 paths", "table4_stcb3", PATHS, 89.3),
            _row("element-wise product of 3 paths", "extra_product3", PATHS),
            _row("attention, STCB", "table5_stcb", ATTENDED, 86.6),
            _row("attention, image map only", "extra_spatial", ATTENDED),
        ),
    ),
}
