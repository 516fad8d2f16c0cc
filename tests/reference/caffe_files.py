"""Other people's networks as .caffemodel files, in the names their authors gave."""

import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from weights import caffemodel

# Caffe's BatchNorm keeps sums: what it uses is blob / factor.
FACTOR = np.float32(999.98236)
V1_TYPES = {"Convolution": 4, "InnerProduct": 14, "ReLU": 18}

State = Mapping[str, np.ndarray]


class Layer(NamedTuple):
    """A layer of a Caffe network with its parameters in Caffe's order."""

    name: str
    type: str
    blobs: tuple[np.ndarray, ...] = ()


def resnet(state: State) -> list[Layer]:
    """He's ResNet-50 or ResNet-152 from the names of torch's ResNets."""
    layers = [
        Layer("data", "Input"),
        *_convolution_and_norm(state, ("conv1", "bn1"), ("conv1", "_conv1")),
    ]
    deep = "layer3.35.conv1.weight" in state
    for kernel in state:
        block = re.fullmatch(r"(layer(\d)\.(\d+))\.conv1\.weight", kernel)
        if block:
            torch, stage, index = block[1], int(block[2]), int(block[3])
            letter = "abcdef"[index] if index < 6 else ""
            # 50: res3a, res3b, res3c, ...; 152: res3a, res3b1, res3b2, ...
            if deep and stage in (2, 3) and index:
                letter = f"b{index}"
            layers += _block(state, torch, f"{stage + 1}{letter}_branch")
    kernel, bias = (state[f"last_linear.{part}"] for part in ("weight", "bias"))
    return [*layers, Layer("fc1000", "InnerProduct", (kernel, bias))]


def vgg16(state: State) -> list[Layer]:
    """The authors' VGG-16 from torchvision's names."""
    names = [f"conv{block}_{i}" for block in range(1, 6) for i in (1, 2, 3)]
    names = [name for name in names if name not in ("conv1_3", "conv2_3")]
    names += ["fc6", "fc7", "fc8"]
    layers = []
    kernels = (name for name in state if name.endswith(".weight"))
    # A state without the hidden layers ends before the names do.
    for name, kernel in zip(names, kernels, strict=False):
        blobs = state[kernel], state[kernel.replace(".weight", ".bias")]
        kind = "Convolution" if name.startswith("conv") else "InnerProduct"
        layers += [Layer(name, kind, blobs), Layer(f"relu{name[-3:]}", "ReLU")]
    return layers


def bn_inception(state: State) -> list[Layer]:
    """TSN's BN-Inception from the names of its torch port: conv1/7x7_s2 and so on."""
    layers = []
    for kernel in (name for name in state if name.endswith(".weight")):
        name = kernel.removesuffix(".weight")
        weight, bias = state[kernel], state[f"{name}.bias"]
        caffe = re.sub(r"^(conv\d|inception_\d\w)_", r"\1/", name)
        if name == "last_linear":
            layers.append(Layer("fc", "InnerProduct", (weight, bias)))
        elif name.endswith("_bn"):
            statistics = (state[f"{name}.running_{part}"] for part in ("mean", "var"))
            blobs = (weight, bias, *statistics)
            layers.append(
                Layer(caffe, "BN", tuple(b.reshape(1, -1, 1, 1) for b in blobs))
            )
        else:
            layers.append(Layer(caffe, "Convolution", (weight, bias)))
    return layers


def write(path: pathlib.Path, layers: list[Layer], old: bool = False) -> None:
    """Writes a network.

    Args:
        path: of the new file.
        layers: in order.
        old: as V1LayerParameter with blobs of four axes, as before 2014.
    """
    with path.open("wb") as file:
        file.write(caffemodel.network())
        file.writelines(_encoded(layer, old) for layer in layers)


def _encoded(layer: Layer, old: bool) -> bytes:
    blobs = [caffemodel.blob(blob, legacy=old) for blob in layer.blobs]
    if old:
        return caffemodel.layer_v1(layer.name, blobs, V1_TYPES[layer.type])
    return caffemodel.layer(layer.name, blobs, layer.type)


def _block(state: State, torch: str, caffe: str) -> list[Layer]:
    layers = []
    if f"{torch}.downsample.0.weight" in state:
        names = f"{torch}.downsample.0", f"{torch}.downsample.1"
        branch = f"{caffe}1"
        layers += _convolution_and_norm(state, names, (f"res{branch}", branch))
    for number, letter in enumerate("abc", 1):
        names = f"{torch}.conv{number}", f"{torch}.bn{number}"
        branch = f"{caffe}2{letter}"
        layers += _convolution_and_norm(state, names, (f"res{branch}", branch))
    return layers


def _convolution_and_norm(
    state: State, torch: tuple[str, str], caffe: tuple[str, str]
) -> list[Layer]:
    """A convolution, and the two layers that a batch norm is in Caffe."""
    convolution, norm = torch
    name, suffix = caffe
    blobs = [state[f"{convolution}.weight"]]
    if f"{convolution}.bias" in state:
        blobs.append(state[f"{convolution}.bias"])
    mean, var = (state[f"{norm}.running_{part}"] * FACTOR for part in ("mean", "var"))
    slope, shift = state[f"{norm}.weight"], state[f"{norm}.bias"]
    return [
        Layer(name, "Convolution", tuple(blobs)),
        Layer(f"bn{suffix}", "BatchNorm", (mean, var, FACTOR.reshape(1))),
        Layer(f"scale{suffix}", "Scale", (slope, shift)),
    ]
