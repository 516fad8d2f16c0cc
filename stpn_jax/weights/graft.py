"""Puts loaded weights in the place of a network's own, all of them or none."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util
from jaxtyping import Float

from stpn_jax.errors import UsageError
from stpn_jax.weights import tables

NAMED = 5


def convert(
    table: tables.Table, tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, Any]:
    """Renames and transposes a file's tensors into collections of variables.

    Args:
        table: of the backbone.
        tensors: by the file's names.
        source: the file, for the message.

    Raises:
        UsageError: names the tensors that the table does not know.
    """
    places = {name: tables.place(table, name) for name in tensors}
    unknown = [name for name, place in places.items() if place is None]
    if unknown:
        raise UsageError(
            f"{source}: {_some(unknown)} belong to no layer of this backbone; "
            "is it a file for another network?"
        )
    flat: dict[str, np.ndarray] = {}
    for name, place in places.items():
        if place is not None and place[0] is not None:
            flat[place[0]] = _float32(name, tensors[name], place[1], source)
    return traverse_util.unflatten_dict(flat, sep="/")


def graft(template: Any, loaded: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Checks loaded variables against a network's and returns them in its layout.

    Args:
        template: variables, or their shapes as jax.eval_shape gives them.
        loaded: collections that must have exactly the template's leaves.
        source: the file, for the message.

    Raises:
        UsageError: names every missing, extra and misshapen variable.
    """
    expected = traverse_util.flatten_dict(dict(template), sep="/")
    found = traverse_util.flatten_dict(dict(loaded), sep="/")
    wrong = [
        f"{name} is {_shape(found[name])}, expected {_shape(leaf)}"
        for name, leaf in expected.items()
        if name in found and found[name].shape != leaf.shape
    ]
    complaints = {
        "missing": [name for name in expected if name not in found],
        "extra": [name for name in found if name not in expected],
        "misshapen": wrong,
    }
    if any(complaints.values()):
        text = "; ".join(f"{k}: {_some(v)}" for k, v in complaints.items() if v)
        raise UsageError(f"{source}: does not fit the network: {text}")
    return traverse_util.unflatten_dict(
        {name: np.asarray(found[name], leaf.dtype) for name, leaf in expected.items()},
        sep="/",
    )


def inflate(kernel: Float[np.ndarray, "k k 3 d"], channels: int) -> np.ndarray:
    """Cross-modality start: the mean over R, G, B, once for each flow channel.

    Wang et al. 2016 (TSN), section 3.2; the kernel keeps its scale, so a response to
    2L equal flow channels is 2L / 3 times that to a grey image.

    Args:
        kernel: of a first convolution.
        channels: of the new input; 3 returns the kernel.
    """
    if channels == kernel.shape[2]:
        return kernel
    return np.repeat(kernel.mean(2, keepdims=True), channels, axis=2)


def _float32(
    name: str, tensor: np.ndarray, transform: tables.Transform, source: str
) -> np.ndarray:
    try:
        return np.ascontiguousarray(transform(tensor), np.float32)
    except ValueError as error:
        raise UsageError(
            f"{source}: {name} has shape {_shape(tensor)}, which does not fit"
        ) from error


def _shape(leaf: Any) -> str:
    return "x".join(map(str, leaf.shape)) or "a scalar"


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
