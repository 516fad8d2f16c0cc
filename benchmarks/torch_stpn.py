"""The pyramid in torch, with the weights of ours: the peer of benchmarks.predict."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from stpn_jax.models import backbones
from stpn_jax.ops import compact_bilinear

Tree = Mapping[str, Any]


class Pyramid:
    """Two streams of another library, and three levels of compact bilinear fusion.

    Attributes:
        row: of the table of backbones, for its preprocessing.
        streams: name -> from images [n c y x] to their feature maps.
        variables: of our network.
    """

    def __init__(
        self,
        row: backbones.Backbone,
        streams: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
        variables: Tree,
        device: str,
    ):
        self.row, self.streams, self.device = row, streams, device
        self.params = _tensors(variables["params"], device)
        self.sketches = _tensors(variables["sketches"], device)

    @torch.inference_mode()
    def __call__(self, rgb: np.ndarray, flow: np.ndarray) -> np.ndarray:
        """Probabilities of snippets: rgb [b f 3 y x], flow [b k 2L y x], both uint8."""
        frames = self._normalised(rgb, self.row.rgb)
        stacks = self._normalised(flow, self.row.flow)
        images = self._maps("spatial", frames)  # [b f y x c]
        paths = self._maps("temporal", stacks)
        motion = self._fuse("temporal_fusion", list(paths.unbind(1)))
        repeated = motion[:, None].expand(*images.shape[:2], *motion.shape[1:])
        fused = self._fuse("attention", [images, repeated])
        attention = self.params["attention"]
        hidden = _dense(fused, attention["hidden"]).relu()
        scores = _dense(hidden, attention["score"])[..., 0]
        weights = scores.flatten(2).softmax(-1).view(scores.shape)[..., None]
        attended = (weights * images).sum((2, 3)).mean(1)
        vectors = [images.mean((1, 2, 3)), motion.mean((1, 2)), attended]
        top = self._fuse("pyramid_fusion", vectors)
        return _dense(top, self.params["classifier"]["dense"]).softmax(-1).cpu().numpy()

    def _normalised(
        self, pixels: np.ndarray, convention: backbones.Normalisation
    ) -> torch.Tensor:
        x = torch.from_numpy(pixels).to(self.device).float()
        if convention.order == "bgr" and x.shape[2] == 3:
            x = x.flip(2)
        mean, std = (
            torch.tensor(values, device=self.device).view(-1, 1, 1)
            for values in (convention.mean, convention.std)
        )
        return (x - mean) / std

    def _maps(self, name: str, images: torch.Tensor) -> torch.Tensor:
        maps = self.streams[name](images.flatten(0, 1))
        return maps.unflatten(0, images.shape[:2]).permute(0, 1, 3, 4, 2)

    def _fuse(self, level: str, pathways: list[torch.Tensor]) -> torch.Tensor:
        sketches = self.sketches[level]["fusion"]["operator"]
        width = self.width(level)
        spectra = [
            torch.fft.rfft(_project(x, sketches[f"pathway{i}"], width))
            for i, x in enumerate(pathways)
        ]
        product = spectra[0]
        for spectrum in spectra[1:]:
            product = product * spectrum
        x = torch.fft.irfft(product, n=width)
        offset = compact_bilinear.SQRT_OFFSET
        x = x / ((x.abs() + offset**2).sqrt() + offset)
        squares = x.square().sum(-1, keepdim=True)
        return x * (squares + compact_bilinear.L2_EPSILON).rsqrt() * width**0.5

    def width(self, level: str) -> int:
        """Length of a level's vectors: what reads its result has as many rows."""
        return {
            "temporal_fusion": self._motion_width,
            "attention": lambda: len(self.params["attention"]["hidden"]["kernel"]),
            "pyramid_fusion": lambda: len(self.params["classifier"]["dense"]["kernel"]),
        }[level]()

    def _motion_width(self) -> int:
        return len(self.sketches["attention"]["fusion"]["operator"]["pathway1"]["h"])


def _project(x: torch.Tensor, sketch: Tree, width: int) -> torch.Tensor:
    flat = (x * sketch["s"]).flatten(0, -2)
    found = torch.zeros(len(flat), width, device=x.device)
    return found.index_add_(1, sketch["h"], flat).view(*x.shape[:-1], width)


def _dense(x: torch.Tensor, layer: Tree) -> torch.Tensor:
    return x @ layer["kernel"] + layer["bias"]


def _tensors(tree: Tree, device: str) -> dict[str, Any]:
    return {
        name: _tensors(value, device)
        if isinstance(value, Mapping)
        else torch.tensor(np.asarray(value), device=device)
        for name, value in tree.items()
    }
