"""Writes a network's tensors as the files that people have."""

import functools
import pathlib
from collections.abc import Callable

import safetensors.torch
import torch
from parity.oracles import State
from reference import caffe_files

Writer = Callable[[pathlib.Path, State], pathlib.Path]


def pth(folder: pathlib.Path, state: State, old: bool = False) -> pathlib.Path:
    """As torch.save does; the old format is that of torch before 1.6."""
    path = folder / "network.pth"
    torch.save(_tensors(state), path, _use_new_zipfile_serialization=not old)
    return path


old_pth = functools.partial(pth, old=True)


def safe(folder: pathlib.Path, state: State) -> pathlib.Path:
    """As the library safetensors does."""
    path = folder / "network.safetensors"
    safetensors.torch.save_file(_tensors(state), path)
    return path


def caffe(
    layers: Callable[[State], list[caffe_files.Layer]],
    folder: pathlib.Path,
    state: State,
    old: bool = False,
) -> pathlib.Path:
    """As Caffe does, with layers named as `layers` has them."""
    path = folder / "network.caffemodel"
    caffe_files.write(path, layers(state), old)
    return path


caffe_resnet = functools.partial(caffe, caffe_files.resnet)
caffe_vgg16 = functools.partial(caffe, caffe_files.vgg16, old=True)
caffe_bn_inception = functools.partial(caffe, caffe_files.bn_inception)


def _tensors(state: State) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in state.items()}
