"""Parts of a network's variables: taken out and put in whole, or refused."""

from collections.abc import Sequence
from typing import Any

from stpn_jax import weights
from stpn_jax.weights import assign

Variables = dict[str, Any]
STREAMS = ("spatial", "temporal")


def streams(variables: Variables) -> list[str]:
    """The streams a network has."""
    return [name for name in STREAMS if name in variables["params"]]


def get(variables: Variables, path: Sequence[str]) -> Variables:
    """The part at a path, by collection; empty where a collection has nothing there."""
    found = {}
    for kind in weights.COLLECTIONS:
        tree = variables.get(kind, {})
        for name in path:
            tree = tree.get(name, {})
        found[kind] = tree
    return found


def replace(
    variables: Variables, path: Sequence[str], new: Variables, source: str
) -> Variables:
    """Variables with another part at a path.

    Args:
        variables: of a network, not changed.
        path: of the part.
        new: params and batch_stats for it, which must fit leaf for leaf.
        source: where they come from, for the message.

    Raises:
        UsageError: names every missing, extra and misshapen variable.
    """
    fitted = assign.graft(get(variables, path), new, source)
    return variables | {
        kind: _put(variables[kind], path, fitted[kind])
        for kind in weights.COLLECTIONS
        if fitted.get(kind)
    }


def _put(tree: Variables, path: Sequence[str], leaf: Variables) -> Variables:
    if not path:
        return leaf
    name, *rest = path
    return tree | {name: _put(tree[name], rest, leaf)}
