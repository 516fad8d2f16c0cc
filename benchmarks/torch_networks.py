"""The networks in torch alone, as benchmarks.train_step compares with them.

Layers have the names of ours, so that weights are handed over by name.
"""

import functools
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_stcb import compact_bilinear
from stpn_jax.models import backbones
from stpn_jax.models.backbones import bn_inception, efficientnet_lite, resnet, vgg
from stpn_jax.ops import compact_bilinear as ours


class Unit(nn.Module):
    """Convolution, batch norm where asked, an activation where there is one."""

    def __init__(
        self,
        parent: nn.Module,
        names: tuple[str, str],
        sizes: tuple[int, int],
        kernel: int = 1,
        stride: int = 1,
        *,
        activation: Callable | None = functional.relu,
        bias: bool = False,
        groups: int = 1,
        epsilon: float = 1e-5,
        momentum: float = 0.1,
        same: bool = False,
    ) -> None:
        super().__init__()
        padding = 0 if same else kernel // 2
        conv = nn.Conv2d(*sizes, kernel, stride, padding, groups=groups, bias=bias)
        norm = nn.BatchNorm2d(sizes[1], epsilon, momentum) if names[1] else None
        parent.add_module(names[0], conv)
        if norm is not None:
            parent.add_module(names[1], norm)
        # In a tuple: the parent has them under their names already.
        self.layers, self.activation = (conv, norm), activation
        self.same = same

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv, norm = self.layers
        if self.same:
            x = _pad(x, conv.kernel_size[0], conv.stride[0])
        x = conv(x)
        x = x if norm is None else norm(x)
        return x if self.activation is None else self.activation(x)


def _pad(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's SAME."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads) if any(pads) else x


class BNInception(nn.Module):
    """See models.backbones.bn_inception."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.steps = [
            self._unit("conv1_7x7_s2", channels, 64, 7, 2),
            _max_pool(3, 2, ceil_mode=True),
            self._unit("conv2_3x3_reduce", 64, 64),
            self._unit("conv2_3x3", 64, 192, 3),
            _max_pool(3, 2, ceil_mode=True),
        ]
        width = 192
        for block in bn_inception.BLOCKS:
            step, width = self._mixed(width, block)
            self.steps.append(step)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self.steps:
            x = step(x)
        return x

    def _unit(self, name: str, inputs: int, width: int, *more: int) -> Unit:
        return Unit(self, (name, f"{name}_bn"), (inputs, width), *more, bias=True)

    def _mixed(self, inputs: int, block: bn_inception.Mixed) -> tuple[Callable, int]:
        stride = 1 if block.single else 2
        unit = lambda name, *sizes: self._unit(  # noqa: E731
            f"inception_{block.name}_{name}", *sizes
        )
        branches = []
        if block.single:
            branches.append([unit("1x1", inputs, block.single)])
        branches += [
            [
                unit("3x3_reduce", inputs, block.reduce),
                unit("3x3", block.reduce, block.triple, 3, stride),
            ],
            [
                unit("double_3x3_reduce", inputs, block.double_reduce),
                unit("double_3x3_1", block.double_reduce, block.double, 3),
                unit("double_3x3_2", block.double, block.double, 3, stride),
            ],
            [_mixed_pool(block.pool, stride)],
        ]
        if block.projection:
            branches[-1].append(unit("pool_proj", inputs, block.projection))
        widths = block.single, block.triple, block.double, block.projection or inputs
        return functools.partial(_side_by_side, branches), sum(widths)


def _side_by_side(branches: list[list[Callable]], x: torch.Tensor) -> torch.Tensor:
    return torch.cat([_in_turn(branch, x) for branch in branches], 1)


def _in_turn(steps: list[Callable], x: torch.Tensor) -> torch.Tensor:
    return functools.reduce(lambda x, step: step(x), steps, x)


def _max_pool(side: int, stride: int, **more: object) -> Callable:
    return functools.partial(
        functional.max_pool2d, kernel_size=side, stride=stride, **more
    )


def _mixed_pool(kind: str, stride: int) -> Callable:
    if stride == 2:
        return _max_pool(3, 2, ceil_mode=True)
    if kind == "max":
        return _max_pool(3, 1, padding=1)
    return functools.partial(functional.avg_pool2d, kernel_size=3, stride=1, padding=1)


class ResNet50(nn.Module):
    """See models.backbones.resnet, in the form of torchvision."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = Unit(self, ("conv1", "bn1"), (channels, 64), 7, 2)
        self.blocks, inputs = [], 64
        for stage, count in enumerate(resnet.BLOCKS[50]):
            for index in range(count):
                stride = 2 if stage and not index else 1
                name = f"layer{stage + 1}_{index}"
                self.blocks.append(
                    self._block(inputs, resnet.WIDTHS[stage], stride, name)
                )
                inputs = resnet.EXPANSION * resnet.WIDTHS[stage]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        for branch, shortcut in self.blocks:
            x = functional.relu(_in_turn(branch, x) + _in_turn(shortcut, x))
        return x

    def _block(
        self, inputs: int, width: int, stride: int, name: str
    ) -> tuple[list[Callable], list[Callable]]:
        names = lambda i: (f"{name}_conv{i}", f"{name}_bn{i}")  # noqa: E731
        outputs = resnet.EXPANSION * width
        branch = [
            Unit(self, names(1), (inputs, width)),
            Unit(self, names(2), (width, width), 3, stride),
            Unit(self, names(3), (width, outputs), activation=None),
        ]
        if inputs == outputs:
            return branch, []
        pair = f"{name}_downsample_conv", f"{name}_downsample_bn"
        sizes = inputs, outputs
        return branch, [Unit(self, pair, sizes, 1, stride, activation=None)]


class VGG16(nn.Module):
    """See models.backbones.vgg."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.steps, inputs = [], channels
        for block, widths in enumerate(vgg.WIDTHS, 1):
            for index, width in enumerate(widths, 1):
                names = f"conv{block}_{index}", ""
                self.steps.append(Unit(self, names, (inputs, width), 3, bias=True))
                inputs = width
            self.steps.append(_max_pool(2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _in_turn(self.steps, x)


class EfficientNetLite0(nn.Module):
    """See models.backbones.efficientnet_lite."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = efficientnet_lite.STEM
        self.first = self._unit("stem", channels, inputs, 3, 2)
        self.blocks: list[list[Callable]] = []
        for stage in efficientnet_lite.LITE0:
            for repeat in range(stage.blocks):
                stride = stage.stride if repeat == 0 else 1
                self.blocks.append(self._block(inputs, stage, stride))
                inputs = stage.width
        self.last = self._unit("head", inputs, efficientnet_lite.CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            y = _in_turn(block, x)
            x = x + y if x.shape == y.shape else y
        return self.last(x)

    def _unit(self, name: str, inputs: int, width: int, *more: int, **rest) -> Unit:
        folder = self
        for part in name.split("."):
            if part not in folder._modules:
                folder.add_module(part, nn.Module())
            folder = folder._modules[part]
        rest = {"activation": functional.relu6, "same": True} | rest
        rest |= {"epsilon": efficientnet_lite.EPSILON, "momentum": 0.01}
        return Unit(folder, ("conv", "bn"), (inputs, width), *more, **rest)

    def _block(
        self, inputs: int, stage: efficientnet_lite.Stage, stride: int
    ) -> list[Callable]:
        name, width = f"block{len(self.blocks)}", inputs * stage.expansion
        layers: list[Callable] = []
        if stage.expansion > 1:
            layers.append(self._unit(f"{name}.expand", inputs, width))
        sizes = f"{name}.depthwise", width, width, stage.kernel, stride
        layers.append(self._unit(*sizes, groups=width))
        project = f"{name}.project", width, stage.width
        return [*layers, self._unit(*project, activation=None)]


NETWORKS = {
    "bn_inception": BNInception,
    "resnet50": ResNet50,
    "vgg16": VGG16,
    "efficientnet_lite0": EfficientNetLite0,
}


class Network(nn.Module):
    """The pyramid or one stream, from raw bytes to logits; STCB is in float32.

    Attributes:
        sketches: h and s of every pathway by the name of its level.
    """

    def __init__(
        self, network: str, backbone: str, classes: int, sketches: Mapping, width: int
    ) -> None:
        super().__init__()
        self.network, self.row = network, backbones.BACKBONES[backbone]
        self.width = width
        make, channels = NETWORKS[backbone], self.row.channels
        if network != "temporal":
            self.spatial = nn.ModuleDict({"backbone": make(3)})
        if network != "spatial":
            self.temporal = nn.ModuleDict({"backbone": make(20)})
        inputs = channels
        if network == "pyramid":
            inputs = width
            self.attention = nn.ModuleDict(
                {"hidden": nn.Linear(width, 64), "score": nn.Linear(64, 1)}
            )
        elif self.row.grid:
            inputs *= self.row.grid**2
        self.classifier = nn.ModuleDict()
        for index, hidden in enumerate(self.row.hidden):
            self.classifier[f"fc{6 + index}"] = nn.Linear(inputs, hidden)
            inputs = hidden
        self.classifier["dense"] = nn.Linear(inputs, classes)
        self.sketches: dict[str, list] = {}
        for level, pathways in sketches.items():
            kept = [pathways[f"pathway{i}"] for i in range(len(pathways))]
            for i, sketch in enumerate(kept):
                h, s = (torch.tensor(np.asarray(sketch[key])) for key in "hs")
                self.register_buffer(f"{level}_h{i}", h.long(), persistent=False)
                self.register_buffer(f"{level}_s{i}", s.float(), persistent=False)
            self.sketches[level] = list(range(len(kept)))

    def forward(self, rgb: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        if self.network == "spatial":
            return self._stream(self._maps("spatial", rgb, self.row.rgb))
        paths = self._maps("temporal", flow, self.row.flow)
        if self.network == "temporal":
            return self._stream(paths)
        images = self._maps("spatial", rgb, self.row.rgb)[:, 0]
        motion = self._fuse("temporal_fusion", paths.unbind(1))
        fused = self._fuse("attention", [images, motion])
        scores = self.attention["score"](self.attention["hidden"](fused).relu())
        weights = scores.float().flatten(1).softmax(1)
        attended = (images.flatten(1, 2).float() * weights[..., None]).sum(1)
        pooled = [images.float().mean((1, 2)), motion.mean((1, 2)), attended]
        return self._classify(self._fuse("pyramid_fusion", pooled))

    def _maps(self, name: str, planes: torch.Tensor, convention) -> torch.Tensor:
        """Maps [b n y x c] of raw planes [b n c y x]."""
        x = planes.flatten(0, 1).float()
        if convention.order == "bgr":
            x = x.flip(1)
        mean, std = (
            torch.tensor(values, device=x.device).view(1, -1, 1, 1)
            for values in (convention.mean, convention.std)
        )
        x = ((x - mean) / std).contiguous(memory_format=torch.channels_last)
        maps = self.get_submodule(name)["backbone"](x)
        return maps.permute(0, 2, 3, 1).unflatten(0, planes.shape[:2])

    def _stream(self, maps: torch.Tensor) -> torch.Tensor:
        if not self.row.grid:
            return self._classify(maps.float().mean((1, 2, 3)))
        first = maps[:, 0].permute(0, 3, 1, 2)
        cells = functional.adaptive_avg_pool2d(first, self.row.grid)
        return self._classify(cells.permute(0, 2, 3, 1).flatten(1))

    def _classify(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            for index in range(len(self.row.hidden)):
                x = functional.dropout(x, 0.5 if index else 0, self.training)
                x = self.classifier[f"fc{6 + index}"](x).relu()
            return self.classifier["dense"](functional.dropout(x, 0.5, self.training))

    def _fuse(self, level: str, pathways: list[torch.Tensor]) -> torch.Tensor:
        """STCB [... c] -> [... d], its signed square root, L2 and scale."""
        shape = pathways[0].shape[:-1]
        with torch.autocast(pathways[0].device.type, enabled=False):
            sketches = [
                (getattr(self, f"{level}_h{i}"), getattr(self, f"{level}_s{i}"))
                for i in self.sketches[level]
            ]
            rows = [x.reshape(-1, x.shape[-1]).float() for x in pathways]
            x = compact_bilinear(rows, sketches, self.width)
            x = x / ((x.abs() + ours.SQRT_OFFSET**2).sqrt() + ours.SQRT_OFFSET)
            x = x * (x.square().sum(-1, keepdim=True) + ours.L2_EPSILON).rsqrt()
            return (x * self.width**0.5).view(*shape, -1)

    def take(self, params: Mapping, stats: Mapping) -> None:
        """Takes over our weights; each has one place and none is left."""
        state = {}
        for tree in (params, stats):
            for path, value in _leaves(tree):
                state[_torch_name(path)] = torch.tensor(_torch_layout(path, value))
        counters = [n for n in self.state_dict() if n.endswith("num_batches_tracked")]
        state |= {name: torch.tensor(0) for name in counters}
        self.load_state_dict(state)


def _leaves(tree: Mapping, path: tuple[str, ...] = ()) -> list:
    found = []
    for key, value in tree.items():
        inner = isinstance(value, Mapping)
        found += _leaves(value, (*path, key)) if inner else [((*path, key), value)]
    return found


def _torch_name(path: tuple[str, ...]) -> str:
    last = {
        "kernel": "weight",
        "scale": "weight",
        "mean": "running_mean",
        "var": "running_var",
    }
    return ".".join([*path[:-1], last.get(path[-1], path[-1])])


def _torch_layout(path: tuple[str, ...], value: np.ndarray) -> np.ndarray:
    value = np.asarray(value)
    if path[-1] != "kernel":
        return value
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
