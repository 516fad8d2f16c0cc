"""Puts loaded weights in the place of a network's own, all of them or none."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from stpn_jax.utils.errors import UsageError
from stpn_jax.weights.tables import rows

NAMED = 5


class Differences(NamedTuple):
    """Between the variables that a network has and those of a file, by name."""

    missing: list[str]
    extra: list[str]
    misshapen: list[str]

    def __str__(self) -> str:
        """The kinds that there are, each with its first names."""
        kinds = self._asdict().items()
        return "; ".join(f"{kind}: {some(names)}" for kind, names in kinds if names)


def unknown(table: rows.Table, tensors: rows.Tensors) -> list[str]:
    """Names of the tensors that no row of the table knows."""
    return [n for n in table.prepare(tensors) if rows.place(table, n) is None]


def convert(table: rows.Table, tensors: rows.Tensors, source: str) -> dict[str, Any]:
    """Renames and transposes the tensors that a table knows into collections.

    Args:
        table: of the backbone.
        tensors: by the file's names; those that no row knows are left out.
        source: the file, for the message.

    Raises:
        UsageError: names a tensor that its row cannot transform, or two that would be
            the same variable.
    """
    flat: dict[str, np.ndarray] = {}
    for name, tensor in table.prepare(tensors).items():
        path, transform = rows.place(table, name) or (None, rows.as_stored)
        if path in flat:
            raise UsageError(f"{source}: {name} is not the only tensor for {path}")
        if path is not None:
            flat[path] = _float32(name, tensor, transform, source)
    return traverse_util.unflatten_dict(flat, sep="/")


def compare(template: Mapping[str, Any], found: Mapping[str, Any]) -> Differences:
    """What keeps loaded variables from taking the place of the template's.

    Args:
        template: nested variables, or their shapes as jax.eval_shape gives them.
        found: nested variables.
    """
    expected, loaded = _flat(template), _flat(found)
    return Differences(
        missing=[name for name in expected if name not in loaded],
        extra=[name for name in loaded if name not in expected],
        misshapen=[
            f"{name} is {shape(loaded[name])}, expected {shape(leaf)}"
            for name, leaf in expected.items()
            if name in loaded and loaded[name].shape != leaf.shape
        ],
    )


def graft(template: Any, loaded: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Checks loaded variables against a network's and returns them in its layout.

    Args:
        template: variables, or their shapes as jax.eval_shape gives them.
        loaded: collections that must have exactly the template's leaves.
        source: the file, for the message.

    Raises:
        UsageError: names every missing, extra and misshapen variable.
    """
    differences = compare(template, loaded)
    if any(differences):
        raise UsageError(f"{source}: does not fit the network: {differences}")
    found = _flat(loaded)
    return traverse_util.unflatten_dict(
        {name: np.asarray(found[name], x.dtype) for name, x in _flat(template).items()},
        sep="/",
    )


def shape(leaf: Any) -> str:
    """As 3x3x64x64."""
    return "x".join(map(str, leaf.shape)) or "a scalar"


def some(names: Iterable[str]) -> str:
    """The first names and how many more there are."""
    names = list(names)
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return traverse_util.flatten_dict(dict(tree), sep="/")


def _float32(
    name: str, tensor: np.ndarray, transform: rows.Transform, source: str
) -> np.ndarray:
    try:
        return np.ascontiguousarray(transform(tensor), np.float32)
    except (ValueError, IndexError) as error:
        raise UsageError(
            f"{source}: {name} has shape {shape(tensor)}, which does not fit"
        ) from error
