"""Where a stage's parameters come from (section 4.1): earlier stages or weight files."""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from stpn_jax.errors import UsageError

STREAMS = ("spatial", "temporal")


def take_streams(variables: dict[str, Any], sources: Iterable[dict[str, Any]]) -> Any:
    """Fills each stream of a network from the first source that has it.

    Args:
        variables: fresh variables of the network of this stage.
        sources: variables of earlier stages.

    Raises:
        UsageError: if no source has one of the network's streams.
    """
    candidates = list(sources)
    for stream in streams_of(variables):
        source = next((s for s in candidates if stream in s["params"]), None)
        if source is None:
            raise UsageError(f"none of the stages of `init` has a {stream} stream")
        variables = replace_stream(
            variables,
            stream,
            {name: source[name][stream] for name in ("params", "batch_stats")},
        )
    return variables


def streams_of(variables: dict[str, Any]) -> list[str]:
    """The streams a network has."""
    return [stream for stream in STREAMS if stream in variables["params"]]


def replace_stream(variables: dict[str, Any], stream: str, new: dict[str, Any]) -> Any:
    """Puts new params and batch_stats in the place of a stream's.

    Raises:
        UsageError: naming the first tensor whose shape differs or that is missing.
    """
    result = dict(variables)
    for collection, tree in new.items():
        old = variables[collection][stream]
        _check_same(old, tree, f"{collection}/{stream}")
        typed = jax.tree.map(lambda o, n: np.asarray(n, o.dtype), old, tree)
        result[collection] = result[collection] | {stream: typed}
    return result


def _check_same(old: Any, new: Any, name: str) -> None:
    expected, found = _shapes(old), _shapes(new)
    for path in sorted(expected.keys() | found.keys()):
        if expected.get(path) != found.get(path):
            raise UsageError(
                f"{name}{path}: expected shape {expected.get(path)}, "
                f"found {found.get(path)}"
            )


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
        jax.tree_util.keystr(path): np.shape(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
