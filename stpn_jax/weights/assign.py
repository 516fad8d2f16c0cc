"""Assigns loaded weights to a network's variables: all of them or none."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from stpn_jax.utils.errors import UsageError

LISTED = 5


class Differences(NamedTuple):
    """Between the variables that a network has and those of a file, by name."""

    missing: list[str]
    extra: list[str]
    misshapen: list[str]


def compare(template: Mapping[str, Any], found: Mapping[str, Any]) -> Differences:
    """Compares loaded variables with a network's, or with their ShapeDtypeStructs."""
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


def assign(template: Any, loaded: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Checks loaded variables against a network's and returns them in its dtypes.

    Args:
        template: variables, or their shapes as jax.eval_shape gives them.
        loaded: collections that must have exactly the template's leaves.
        source: the file, for error messages.

    Raises:
        UsageError: names the missing, extra and misshapen variables.
    """
    differences = compare(template, loaded)._asdict()
    if any(differences.values()):
        kinds = [f"{k}: {first(names)}" for k, names in differences.items() if names]
        raise UsageError(f"{source}: does not fit the network: {'; '.join(kinds)}")
    found = _flat(loaded)
    return traverse_util.unflatten_dict(
        {name: np.asarray(found[name], x.dtype) for name, x in _flat(template).items()},
        sep="/",
    )


def shape(leaf: Any) -> str:
    """As 3x3x64x64."""
    return "x".join(map(str, leaf.shape)) or "a scalar"


def first(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return traverse_util.flatten_dict(dict(tree), sep="/")
