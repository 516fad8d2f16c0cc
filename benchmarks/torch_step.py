"""One training step of a network of torch_networks: forward, backward, SGD."""

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from benchmarks import measure, torch_networks
from stpn_jax.arrays import Batch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def logits(network: torch_networks.Network, batch: Batch) -> np.ndarray:
    """In evaluation mode, in float32, without TF32."""
    torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad():
        network = network.to(DEVICE).eval()
        return network(*_put(batch.rgb, batch.flow)).cpu().numpy()


def step(
    network: torch_networks.Network, batch: Batch, dtype: str, compiled: bool
) -> Callable[[], None]:
    """Channels last; bfloat16 by autocast, float32 with TF32 where JAX has it too."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
    network = network.to(DEVICE, memory_format=torch.channels_last).train()
    parameters = list(network.parameters())
    optimizer = torch.optim.SGD(parameters, 1e-3, momentum=0.9, weight_decay=5e-4)
    rgb, flow, label = _put(batch.rgb, batch.flow, batch.label)
    label = label.long()
    forward = torch.compile(network) if compiled else network
    cast = contextlib.nullcontext()
    if dtype == "bfloat16":
        cast = torch.autocast(DEVICE, torch.bfloat16)

    def update() -> None:
        optimizer.zero_grad(set_to_none=True)
        with cast:
            loss = functional.cross_entropy(forward(rgb, flow).float(), label)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 20.0)
        optimizer.step()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return update


def kernels(call: Callable, steps: int = 5) -> str:
    """Says how long the kernels of a call take on a GPU, by torch's profiler."""
    if DEVICE == "cpu":
        return measure.describe_kernels(0, 0)
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as found:
        for _ in range(steps):
            call()
    events = [
        event
        for event in found.key_averages()
        if event.self_device_time_total and not event.is_user_annotation
    ]
    count = sum(event.count for event in events)
    seconds = sum(event.self_device_time_total for event in events) / 1e6
    return measure.describe_kernels(count / steps, seconds / steps)


def _put(*arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(np.asarray(x)).to(DEVICE) for x in arrays]
