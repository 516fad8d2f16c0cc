"""What a table is made of: rows from names of tensors to variables, and transforms."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Transform = Callable[[np.ndarray], np.ndarray]
Tensors = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """Names that match `pattern` in full go to `path`, or nowhere where it is None."""

    pattern: str
    path: str | None
    transform: Transform


class Table(NamedTuple):
    """How one kind of file names and stores a backbone; the first matching row counts.

    Paths start with a collection: params and batch_stats of the backbone, or what is no
    part of it: hidden/fc6, hidden/fc7 and classifier.

    Attributes:
        layout: name of the kind.
        rows: of which every tensor must match one.
        prepare: renames or joins a file's tensors before the rows see them.
    """

    layout: str
    rows: tuple[Row, ...]
    prepare: Callable[[Tensors], Tensors] = dict


def place(table: Table, name: str) -> tuple[str | None, Transform] | None:
    """Path and transform of a prepared tensor, or None where no row knows its name."""
    for row in table.rows:
        match = re.fullmatch(row.pattern, name)
        if match:
            return row.path and match.expand(row.path), row.transform
    return None


def as_stored(tensor: np.ndarray) -> np.ndarray:
    """Keras and Flax share a layout: [k k c d] and [c d]."""
    return tensor


def conv_kernel(tensor: np.ndarray) -> np.ndarray:
    """From torch's and Caffe's [d c k k] to [k k c d]; depthwise [c 1 k k] alike."""
    return tensor.transpose(2, 3, 1, 0)


def dense_kernel(tensor: np.ndarray) -> np.ndarray:
    """From [d c], or a 1x1 convolution's [d c 1 1], to [c d]."""
    return matrix(tensor).T


def matrix(tensor: np.ndarray) -> np.ndarray:
    """[d n] from [d n], Caffe's legacy [1 1 d n] or a convolution's [d c k k]."""
    if tensor.ndim == 4 and tensor.shape[:2] == (1, 1):
        tensor = tensor[0, 0]
    return tensor.reshape(tensor.shape[0], -1)


def vector(tensor: np.ndarray) -> np.ndarray:
    """[c] of [c], [1 c], [1 c 1 1] or [1 1 1 c], in all of which files keep vectors.

    Raises:
        ValueError: more than one axis is longer than 1.
    """
    if max(tensor.shape, default=1) != tensor.size:
        raise ValueError("not a vector")
    return tensor.reshape(-1)


def conv(pattern: str, path: str) -> tuple[Row, ...]:
    """The rows of a torch convolution or many; which have a bias, the backbone says."""
    return (
        Row(rf"{pattern}\.weight", f"params/{path}/kernel", conv_kernel),
        Row(rf"{pattern}\.bias", f"params/{path}/bias", vector),
    )


def batch_norm(pattern: str, path: str) -> tuple[Row, ...]:
    """The rows of batch norms that torch keeps under `pattern` and we under `path`."""
    return (
        Row(rf"{pattern}\.weight", f"params/{path}/scale", vector),
        Row(rf"{pattern}\.bias", f"params/{path}/bias", vector),
        Row(rf"{pattern}\.running_mean", f"batch_stats/{path}/mean", vector),
        Row(rf"{pattern}\.running_var", f"batch_stats/{path}/var", vector),
        Row(rf"{pattern}\.num_batches_tracked", None, vector),
    )


def dense(pattern: str, path: str, kernel: Transform = dense_kernel) -> tuple[Row, ...]:
    """The rows of a torch layer beside the backbone: hidden/fc6, ..., classifier."""
    return (
        Row(rf"{pattern}\.weight", f"{path}/kernel", kernel),
        Row(rf"{pattern}\.bias", f"{path}/bias", vector),
    )


def caffe_conv(pattern: str, path: str) -> tuple[Row, ...]:
    """The rows of Caffe convolutions, whose blobs are kernel and bias."""
    return (
        Row(f"{pattern}/0", f"params/{path}/kernel", conv_kernel),
        Row(f"{pattern}/1", f"params/{path}/bias", vector),
    )


def caffe_dense(
    pattern: str, path: str, kernel: Transform = dense_kernel
) -> tuple[Row, ...]:
    """The rows of a Caffe InnerProduct layer beside the backbone."""
    return (
        Row(f"{pattern}/0", f"{path}/kernel", kernel),
        Row(f"{pattern}/1", f"{path}/bias", vector),
    )
