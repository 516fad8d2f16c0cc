"""STCB in torch, as benchmarks.stcb compares with it: index_add, rfft, irfft."""

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from benchmarks.stcb import Problem


def calls(problem: "Problem", compiled: bool) -> dict[str, Callable]:
    """Forward, and forward with the gradients of all pathways; both block."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    put = lambda x: torch.tensor(np.asarray(x), device=device)  # noqa: E731
    pathways = [put(x).requires_grad_() for x in problem.pathways]
    sketches = [(put(h).long(), put(s).float()) for h, s in problem.sketches]
    slope, width = put(problem.slope), problem.slope.shape[1]
    operator_ = torch.compile(compact_bilinear) if compiled else compact_bilinear

    @torch.no_grad()
    def forward() -> torch.Tensor:
        return _done(operator_(pathways, sketches, width))

    def both() -> list[torch.Tensor]:
        product = operator_(pathways, sketches, width)
        gradients = torch.autograd.grad(product, pathways, slope)
        return [x.detach() for x in _done([product, *gradients])]

    return {"forward": forward, "with gradients": both}


def compact_bilinear(
    pathways: list[torch.Tensor],
    sketches: list[tuple[torch.Tensor, torch.Tensor]],
    width: int,
) -> torch.Tensor:
    spectra = [
        torch.fft.rfft(x.new_zeros(len(x), width).index_add_(1, h, x * s))
        for x, (h, s) in zip(pathways, sketches, strict=True)
    ]
    return torch.fft.irfft(functools.reduce(operator.mul, spectra), n=width)


def _done(result: torch.Tensor | list[torch.Tensor]) -> torch.Tensor:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result
