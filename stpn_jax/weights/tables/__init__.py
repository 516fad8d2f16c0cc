"""Which tensor of a weight file is which variable: each backbone's tables."""

from stpn_jax.weights.tables import bn_inception, efficientnet_lite, resnet, vgg
from stpn_jax.weights.tables.rows import Table

TABLES: dict[str, tuple[Table, ...]] = {
    "bn_inception": (bn_inception.PYTORCH, bn_inception.CAFFE),
    "vgg16": (vgg.TORCHVISION, vgg.TIMM),
    "vgg16_caffe": (vgg.CAFFE, vgg.KERAS, vgg.HED),
    "resnet50": (resnet.torchvision(50),),
    "resnet50_caffe": (resnet.caffe(50),),
    "resnet152": (resnet.torchvision(152),),
    "resnet152_caffe": (resnet.caffe(152),),
    "efficientnet_lite0": (efficientnet_lite.PYTORCH,),
}
"""A smaller network comes before a larger one that has all its names."""

FIRST_KERNEL = {
    "tiny": "conv1/kernel",
    "bn_inception": "conv1_7x7_s2/kernel",
    "vgg16": "conv1_1/kernel",
    "vgg16_caffe": "conv1_1/kernel",
    "resnet50": "conv1/kernel",
    "resnet50_caffe": "conv1/kernel",
    "resnet152": "conv1/kernel",
    "resnet152_caffe": "conv1/kernel",
    "efficientnet_lite0": "stem/conv/kernel",
}
"""Of the layer that sees the input, among the backbone's params."""
