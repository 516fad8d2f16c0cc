"""What made a folder: facts as JSON beside the files, read back and compared.

Records, run folders, feature caches, artifacts and results each keep such a manifest.
Facts are nested JSON; two manifests are compared field by field under dotted names.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from etils import epath

from stpn_jax.utils import files
from stpn_jax.utils.errors import UsageError

Facts = Mapping[str, Any]


def write(path: epath.PathLike, facts: Facts, draft: str = "draft") -> None:
    """Writes a manifest whole; `draft` tells apart processes that write the same."""
    files.write_whole(epath.Path(path), json.dumps(facts, indent=2) + "\n", draft)


def read(path: epath.PathLike, remedy: str) -> dict[str, Any]:
    """The facts of a manifest.

    Raises:
        UsageError: it is not the JSON that was written; ends with the remedy.
    """
    try:
        return dict(json.loads(epath.Path(path).read_text()))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{path}: not the JSON that was written there ({error}); {remedy}"
        ) from error


def differences(there: Facts, asked: Facts, free: tuple[str, ...] = ()) -> list[str]:
    """The fields that differ, each as `data.split was 1 and is 2`.

    Those whose dotted names begin with one of `free` may differ.
    """
    old, new = flatten(plain(there)), flatten(plain(asked))
    return [
        f"{name} was {old.get(name)!r} and is {new.get(name)!r}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and not name.startswith(free)
    ]


def digest(facts: Facts, free: tuple[str, ...] = ()) -> str:
    """SHA-256 of the fields, but for those whose dotted names begin with `free`."""
    fields = flatten(plain(facts))
    kept = {name: value for name, value in fields.items() if not name.startswith(free)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def plain(facts: Facts) -> dict[str, Any]:
    """Facts as a JSON file gives them back: tuples are lists, keys are strings."""
    return dict(json.loads(json.dumps(facts)))


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value; items of a list of objects go by their `name`."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        items = [(one.get("name", i), one) for i, one in enumerate(value)]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, child in items:
        flat |= flatten(child, f"{prefix}.{key}" if prefix else str(key))
    return flat
