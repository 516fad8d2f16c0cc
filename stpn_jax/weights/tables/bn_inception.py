"""BN-Inception as its PyTorch port and as TSN's Caffe models name it."""

from stpn_jax.weights.tables.rows import (
    Row,
    Table,
    batch_norm,
    caffe_conv,
    caffe_dense,
    conv,
    dense,
    vector,
)

PORT = r"(?:base_model\.)?((?:conv|inception)_?\d\w+)"
PORT_NORM = r"(?:base_model\.)?((?:conv|inception)_?\d\w+_bn)"

# Cadene/pretrained-models.pytorch, models/bninception.py; yjxiong/tsn-pytorch wraps
# the same names in base_model and, with dropout, calls its classifier new_fc.
PYTORCH = Table(
    layout="pytorch",
    rows=(
        *batch_norm(PORT_NORM, r"\1"),
        *conv(PORT, r"\1"),
        *dense(r"(?:(?:base_model\.)?(?:last_linear|fc)|new_fc)", "classifier"),
    ),
)

LAYER = r"(conv\d|inception_\d[a-e])/(\w+)"
NORM = rf"{LAYER}_bn"

# yjxiong/temporal-segment-networks, models/*/tsn_bn_inception_*_deploy.prototxt. A BN
# layer's blobs: slope, shift, running mean, running variance (yjxiong/caffe, BNLayer).
CAFFE = Table(
    layout="caffe",
    rows=(
        Row(f"{NORM}/0", r"params/\1_\2_bn/scale", vector),
        Row(f"{NORM}/1", r"params/\1_\2_bn/bias", vector),
        Row(f"{NORM}/2", r"batch_stats/\1_\2_bn/mean", vector),
        Row(f"{NORM}/3", r"batch_stats/\1_\2_bn/var", vector),
        *caffe_conv(LAYER, r"\1_\2"),
        *caffe_dense("(?:fc|fc-action|last_linear|loss3/classifier)", "classifier"),
    ),
)
