"""Fake files: the names and layouts that others give the variables of our backbones.

The inverse of stpn_jax.weights.layouts: from our variables to the file's names. Every
tensor is filled with a different number, without taking memory for it.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from stpn_jax.models.backbones import BACKBONES

FEATURES = "conv1_1 conv1_2 - conv2_1 conv2_2 - conv3_1 conv3_2 conv3_3 -"
FEATURES += " conv4_1 conv4_2 conv4_3 - conv5_1 conv5_2 conv5_3"
CONVS = [name for name in FEATURES.split() if name != "-"]


@functools.cache
def shapes(backbone, channels=3):
    """Path -> shape of all variables of a backbone, of its head too."""
    row = BACKBONES[backbone]
    image = jax.ShapeDtypeStruct((1, 64, 64, channels), jnp.float32)
    variables = jax.eval_shape(row.module().init, jax.random.key(0), image)
    flat = traverse_util.flatten_dict(dict(variables), sep="/")
    found = {path: leaf.shape for path, leaf in flat.items()}
    width = row.channels
    if row.hidden:
        found["hidden/fc6/kernel"], found["hidden/fc6/bias"] = (25088, 4096), (4096,)
        found["hidden/fc7/kernel"], found["hidden/fc7/bias"] = (4096, 4096), (4096,)
        width = 4096
    found["classifier/kernel"], found["classifier/bias"] = (width, 1000), (1000,)
    return found


def values(backbone, channels=3):
    """Path -> the number that fills the variable."""
    return {path: float(i + 1) for i, path in enumerate(shapes(backbone, channels))}


def tensors(backbone, layout, channels=3):
    """A file: name -> tensor, in the layout's order of axes."""
    numbers = values(backbone, channels)
    found = {}
    for path, shape in shapes(backbone, channels).items():
        name, shape = LAYOUTS[backbone, layout](path, shape)
        found[name] = np.broadcast_to(np.float32(numbers[path]), shape)
    return found


TORCH = {"scale": "weight", "mean": "running_mean", "var": "running_var"}


def _transposed(shape):
    """Kernels as torch and Caffe have them."""
    return {4: (*shape[:1:-1], *shape[:2]), 2: shape[::-1], 1: shape}[len(shape)]


def _torch(name, leaf, shape):
    leaf = "weight" if leaf == "kernel" else TORCH.get(leaf, leaf)
    return f"{name}.{leaf}", _transposed(shape)


def _split(path):
    _, *names, leaf = path.split("/")
    return "/".join(names), leaf


def _bn_inception_pytorch(path, shape):
    name, leaf = _split(path)
    name, shape = _torch(name or "last_linear", leaf, shape)
    is_norm = "_bn." in name
    return name, (1, *shape) if is_norm else shape


def _bn_inception_tsn(path, shape):
    name, leaf = _split(path)
    return _torch(f"base_model.{name}" if name else "new_fc", leaf, shape)


def _bn_inception_caffe(path, shape):
    name, leaf = _split(path)
    name = re.sub(r"^(conv\d|inception_\d[a-e])_", r"\1/", name) or "fc-action"
    if name.endswith("_bn"):
        order = ("scale", "bias", "mean", "var")
        return f"{name}/{order.index(leaf)}", (1, *shape, 1, 1)
    return _blob(name, leaf, shape)


def _blob(name, leaf, shape):
    return f"{name}/{('kernel', 'bias').index(leaf)}", _transposed(shape)


def _vgg(heads, path, shape):
    name, leaf = _split(path)
    if name in CONVS:
        position = list(_modules()).index(name)
        return _torch(f"features.{position}", leaf, shape)
    return _torch(heads[name or "fc8"], leaf, shape)


def _modules():
    """torchvision's vgg16().features: every convolution is followed by a ReLU."""
    for one in FEATURES.split():
        yield from ("pool",) if one == "-" else (one, "relu")


_vgg_torchvision = functools.partial(
    _vgg, {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
)


def _vgg_timm(path, shape):
    heads = {"fc6": "pre_logits.fc1", "fc7": "pre_logits.fc2", "fc8": "head.fc"}
    name, shape = _vgg(heads, path, shape)
    convs = {"pre_logits.fc1.weight": (4096, 512, 7, 7)}
    convs["pre_logits.fc2.weight"] = (4096, 4096, 1, 1)
    return name, convs.get(name, shape)


def _vgg_caffe(path, shape):
    """All blobs have four axes, as in the authors' file."""
    name, leaf = _split(path)
    name, shape = _blob(name or "fc8", leaf, shape)
    return name, (1,) * (4 - len(shape)) + shape


def _keras(style, path, shape):
    name, leaf = _split(path)
    heads = {"fc6": "fc1", "fc7": "fc2", "": "predictions"}
    layer = re.sub(r"conv(\d)_(\d)", r"block\1_conv\2", heads.get(name, name))
    return style(layer, leaf), shape


def _keras1(layer, leaf):
    return f"{layer}/{layer}_{'W' if leaf == 'kernel' else 'b'}_1:0"


def _keras2(layer, leaf):
    return f"model_weights/{layer}/{layer}/{leaf}:0"


def _keras3(layer, leaf):
    return f"layers/{layer}/vars/{('kernel', 'bias').index(leaf)}"


def _keras3_numbered(layer, leaf):
    """Keras 3 as keras.applications.VGG16().save_weights("x.weights.h5") writes it."""
    convs = [re.sub(r"conv(\d)_(\d)", r"block\1_conv\2", name) for name in CONVS]
    dense = ["fc1", "fc2", "predictions"]
    kind, order = ("conv2d", convs) if layer in convs else ("dense", dense)
    number = order.index(layer)
    return _keras3(f"{kind}_{number}" if number else kind, leaf)


def _resnet_torchvision(path, shape):
    name, leaf = _split(path)
    name = re.sub(r"layer(\d)_(\d+)_", r"layer\1.\2.", name or "fc")
    name = name.replace("downsample_conv", "downsample.0")
    return _torch(name.replace("downsample_bn", "downsample.1"), leaf, shape)


def _resnet_caffe(letters, path, shape):
    """Statistics are for factors of 2 and 4: see test_layouts."""
    name, leaf = _split(path)
    match = re.fullmatch(r"layer(\d)_(\d+)_(downsample_)?(conv|bn)(\d?)", name)
    layer = name or "fc1000"
    if match:
        stage, index, down, kind, number = match.groups()
        block = "abcdef"[int(index)] if letters(stage) else f"b{index}"
        block = block if int(index) else "a"
        branch = "branch1" if down else "branch2" + " abc"[int(number)]
        prefix = {"conv": "res", "bn": "scale"}[kind]
        layer = f"{prefix}{int(stage) + 1}{block}_{branch}"
    elif name == "bn1":
        layer = "scale_conv1"
    if leaf in ("mean", "var"):
        return f"{layer.replace('scale', 'bn')}/{('mean', 'var').index(leaf)}", shape
    leaf = "kernel" if leaf == "scale" else leaf
    return _blob(layer, leaf, shape)


def _lite(path, shape):
    name, leaf = _split(path)
    name = name.replace("stem/conv", "_conv_stem").replace("head/conv", "_conv_head")
    name = name.replace("stem/bn", "_bn0").replace("head/bn", "_bn1") or "_fc"
    name = re.sub(r"block(\d+)/(\w+)/conv", r"_blocks.\1._\2_conv", name)
    for index, part in enumerate(("expand", "depthwise", "project")):
        name = re.sub(rf"block(\d+)/{part}/bn", rf"_blocks.\1._bn{index}", name)
    return _torch(name, leaf, shape)


LAYOUTS = {
    ("bn_inception", "pytorch"): _bn_inception_pytorch,
    ("bn_inception", "pytorch, tsn"): _bn_inception_tsn,
    ("bn_inception", "caffe"): _bn_inception_caffe,
    ("vgg16", "torchvision"): _vgg_torchvision,
    ("vgg16", "timm"): _vgg_timm,
    ("vgg16_caffe", "caffe"): _vgg_caffe,
    ("vgg16_caffe", "keras, 1"): functools.partial(_keras, _keras1),
    ("vgg16_caffe", "keras, 2"): functools.partial(_keras, _keras2),
    ("vgg16_caffe", "keras, 3"): functools.partial(_keras, _keras3),
    ("vgg16_caffe", "keras, numbered"): functools.partial(_keras, _keras3_numbered),
    ("resnet50", "torchvision"): _resnet_torchvision,
    ("resnet152", "torchvision"): _resnet_torchvision,
    ("resnet50_caffe", "caffe"): functools.partial(_resnet_caffe, lambda _: True),
    ("resnet50_caffe", "caffe, b"): functools.partial(_resnet_caffe, lambda _: False),
    ("resnet152_caffe", "caffe"): functools.partial(
        _resnet_caffe, lambda stage: stage in "14"
    ),
    ("efficientnet_lite0", "pytorch"): _lite,
    ("efficientnet_lite1", "pytorch"): _lite,
    ("efficientnet_lite2", "pytorch"): _lite,
}
