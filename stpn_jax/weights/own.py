"""Files of our own networks' variables, named params/spatial/backbone/..."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from etils import epath
from flax import traverse_util

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import channels, formats

LAYOUT = "stpn_jax"
COLLECTIONS = ("params", "batch_stats", "sketches", "hidden", "classifier")
_IN_STREAM = re.compile(r"(params|batch_stats)/(spatial|temporal)/backbone/(.+)")


def matches(names: Iterable[str]) -> bool:
    """Whether names of tensors are paths of our variables."""
    return all(name.split("/")[0] in COLLECTIONS and "/" in name for name in names)


def flat(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """All variables of a network by name; empty collections are left out."""
    named = traverse_util.flatten_dict(variables, sep="/")
    return {name: np.asarray(array) for name, array in named.items()}


def read(path: epath.PathLike) -> dict[str, Any]:
    """The variables of a whole network from a weight file, as `flat` names them.

    Raises:
        UsageError: the file is unreadable, or is not of a network of ours.
    """
    file = formats.read(path)
    if not matches(file.tensors):
        raise UsageError(
            f"{path}: not the variables of a network of stpn_jax, whose names begin "
            f"with {', '.join(COLLECTIONS)}"
        )
    empty: dict[str, Any] = {"batch_stats": {}, "sketches": {}}
    return empty | _nested(file.tensors, file.path)


def streams(file: formats.WeightFile) -> dict[str, dict[str, Any]]:
    """The backbones in a file: collections by stream, or under "" a backbone alone.

    Of an exported network (params/spatial/backbone/...) only the backbones are taken. A
    backbone alone has params/... and batch_stats/..., maybe hidden/..., classifier/...
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in file.tensors.items():
        if match := _IN_STREAM.fullmatch(name):
            collection, stream, path = match.groups()
            found.setdefault(stream, {})[f"{collection}/{path}"] = tensor
    found = found or {"": file.tensors}
    return {stream: _nested(named, file.path) for stream, named in found.items()}


def choose(file: formats.WeightFile, in_channels: int) -> dict[str, Any]:
    """The stream for an input: spatial for images, temporal for flow, else the only."""
    found = streams(file)
    wanted = "spatial" if in_channels == channels.COLOURS else "temporal"
    return found.get(wanted) or next(iter(found.values()))


def _nested(named: dict[str, np.ndarray], source: str) -> dict[str, Any]:
    parts = [name.split("/") for name in named]
    folders = {"/".join(one[:i]) for one in parts for i in range(len(one))}
    if clash := folders & named.keys():
        raise UsageError(f"{source}: {min(clash)} is an array and a folder of arrays")
    return traverse_util.unflatten_dict(named, sep="/")
