"""Which tensor of a weight file is which variable of a backbone."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Transform = Callable[[np.ndarray], np.ndarray]


class Row(NamedTuple):
    """Names that match `pattern` in full go to `path`, or nowhere where it is None."""

    pattern: str
    path: str | None
    transform: Transform


class Table(NamedTuple):
    """A backbone's rows, of which the first match counts.

    Paths start with a collection: params, batch_stats, or classifier for the ImageNet
    classifier, which is no part of a backbone.
    """

    first_kernel: str
    rows: tuple[Row, ...]


def conv_kernel(tensor: np.ndarray) -> np.ndarray:
    """From torch's [d c k k] to [k k c d]; a depthwise [c 1 k k] to [k k 1 c]."""
    return tensor.transpose(2, 3, 1, 0)


def dense_kernel(tensor: np.ndarray) -> np.ndarray:
    """From torch's [d c] to [c d]."""
    return tensor.T


def vector(tensor: np.ndarray) -> np.ndarray:
    """Flattens: older BN-Inception files keep batch norm as [1 c]."""
    return tensor.reshape(-1)


def batch_norm(pattern: str, path: str) -> tuple[Row, ...]:
    """The rows of batch norms that torch keeps under `pattern` and we under `path`."""
    return (
        Row(rf"{pattern}\.weight", f"params/{path}/scale", vector),
        Row(rf"{pattern}\.bias", f"params/{path}/bias", vector),
        Row(rf"{pattern}\.running_mean", f"batch_stats/{path}/mean", vector),
        Row(rf"{pattern}\.running_var", f"batch_stats/{path}/var", vector),
        Row(rf"{pattern}\.num_batches_tracked", None, vector),
    )


def classifier(pattern: str) -> tuple[Row, ...]:
    """The rows of the ImageNet classifier."""
    return (
        Row(rf"{pattern}\.weight", "classifier/kernel", dense_kernel),
        Row(rf"{pattern}\.bias", "classifier/bias", vector),
    )


EFFICIENTNET_LITE0 = Table(
    first_kernel="params/stem/conv/kernel",
    rows=(
        Row(r"_conv_(stem|head)\.weight", r"params/\1/conv/kernel", conv_kernel),
        Row(
            r"_blocks\.(\d+)\._(expand|depthwise|project)_conv\.weight",
            r"params/block\1/\2/conv/kernel",
            conv_kernel,
        ),
        *batch_norm(r"_bn0", "stem/bn"),
        *batch_norm(r"_bn1", "head/bn"),
        *batch_norm(r"_blocks\.(\d+)\._bn0", r"block\1/expand/bn"),
        *batch_norm(r"_blocks\.(\d+)\._bn1", r"block\1/depthwise/bn"),
        *batch_norm(r"_blocks\.(\d+)\._bn2", r"block\1/project/bn"),
        *classifier("_fc"),
    ),
)

BN_INCEPTION = Table(
    first_kernel="params/conv1_7x7_s2/kernel",
    rows=(
        *batch_norm(r"((?:conv|inception)\w+_bn)", r"\1"),
        Row(r"((?:conv|inception)\w+)\.weight", r"params/\1/kernel", conv_kernel),
        Row(r"((?:conv|inception)\w+)\.bias", r"params/\1/bias", vector),
        *classifier("(?:last_linear|fc)"),
    ),
)

TABLES = {
    "bn_inception": BN_INCEPTION,
    "efficientnet_lite0": EFFICIENTNET_LITE0,
}


def place(table: Table, name: str) -> tuple[str | None, Transform] | None:
    """Path and transform of a tensor, or None where no row knows its name."""
    for row in table.rows:
        match = re.fullmatch(row.pattern, name)
        if match:
            return row.path and match.expand(row.path), row.transform
    return None
