"""ResNet-50 and -152 as torchvision (timm alike) and He's Caffe models have them."""

import functools
import re

import numpy as np

from stpn_jax.weights.tables.rows import (
    Row,
    Table,
    Tensors,
    batch_norm,
    caffe_conv,
    caffe_dense,
    conv_kernel,
    dense,
    vector,
)

BLOCKS = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}
BRANCHES = {"1": "downsample_{}", "2a": "{}1", "2b": "{}2", "2c": "{}3"}


def torchvision(depth: int) -> Table:
    """Names such as layer3.5.conv2.weight; blocks beyond the depth are unknown."""
    blocks = (
        row
        for stage, count in enumerate(BLOCKS[depth], 1)
        for row in _torch_stage(stage, count)
    )
    stem = Row(r"conv1\.weight", "params/conv1/kernel", conv_kernel)
    return Table(
        layout="torchvision",
        rows=(stem, *batch_norm("bn1", "bn1"), *blocks, *dense("fc", "classifier")),
    )


def _torch_stage(stage: int, count: int) -> tuple[Row, ...]:
    block = rf"layer{stage}\.({'|'.join(map(str, range(count)))})"
    path = rf"layer{stage}_\1"
    return (
        Row(
            rf"{block}\.conv([123])\.weight",
            rf"params/{path}_conv\2/kernel",
            conv_kernel,
        ),
        *batch_norm(rf"{block}\.bn([123])", rf"{path}_bn\2"),
        Row(
            rf"{block}\.downsample\.0\.weight",
            rf"params/{path}_downsample_conv/kernel",
            conv_kernel,
        ),
        *batch_norm(rf"{block}\.downsample\.1", rf"{path}_downsample_bn"),
    )


def caffe(depth: int) -> Table:
    """KaimingHe/deep-residual-networks: res4b17_branch2a, bn..., scale..., fc1000.

    A batch norm is two layers: BatchNorm with the statistics, Scale with the rest.
    """
    return Table(
        layout="caffe",
        rows=(
            *caffe_conv("conv1", "conv1"),
            Row(r"res/(\w+)/0", r"params/\1/kernel", conv_kernel),
            Row(r"bn/(\w+)/(mean|var)", r"batch_stats/\1/\2", vector),
            Row(r"scale/(\w+)/0", r"params/\1/scale", vector),
            Row(r"scale/(\w+)/1", r"params/\1/bias", vector),
            *caffe_dense(r"fc\w*", "classifier"),
        ),
        prepare=functools.partial(_prepare, depth),
    )


def _prepare(depth: int, tensors: Tensors) -> dict[str, np.ndarray]:
    """Gives blocks our names, as res/layer3_17_conv1/0, and joins the statistics."""
    return _divide({_rename(depth, name): value for name, value in tensors.items()})


def _rename(depth: int, name: str) -> str:
    """A layer's kind, path in the backbone and blob; other names stay as they are."""
    stem = re.fullmatch(r"(bn|scale)_conv1/(\d)", name)
    if stem:
        return f"{stem[1]}/bn1/{stem[2]}"
    pattern = r"(res|bn|scale)([2-5])(?:([a-f])|b(\d+))_branch(1|2[abc])/(\d)"
    match = re.fullmatch(pattern, name)
    if match is None:
        return name
    kind, stage, letter, number, branch, blob = match.groups()
    index = int(number) if number else "abcdef".index(letter)
    if index >= BLOCKS[depth][int(stage) - 2]:
        return name
    layer = BRANCHES[branch].format("conv" if kind == "res" else "bn")
    return f"{kind}/layer{int(stage) - 1}_{index}_{layer}/{blob}"


def _divide(tensors: Tensors) -> dict[str, np.ndarray]:
    """Mean and variance of BatchNorm layers, which Caffe stores as sums.

    Their third blob is the divisor; 0, before any training, makes both 0 (BVLC/caffe,
    batch_norm_layer.cpp). Without it the sums stay, and no row knows their names.
    """
    joined = dict(tensors)
    for layer in re.findall(r"^(bn/\w+)/2$", "\n".join(tensors), re.MULTILINE):
        parts = [f"{layer}/{i}" for i in range(3)]
        if all(part in tensors for part in parts) and tensors[parts[2]].size == 1:
            mean, variance, factor = (joined.pop(part) for part in parts)
            scale = 1 / factor.item() if factor.any() else 0.0
            joined |= {f"{layer}/mean": mean * scale, f"{layer}/var": variance * scale}
    return joined
