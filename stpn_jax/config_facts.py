"""A config as JSON in the manifests of runs, and digests that all versions share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from stpn_jax.config import FREE_FIELDS, RENAMED, Config, with_current_names
from stpn_jax.utils import manifest, strict


def facts(config: Config) -> dict[str, Any]:
    """The config as nested JSON, for the manifest of a run."""
    return manifest.plain(dataclasses.asdict(config))


def upgraded(written: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What an earlier version wrote by facts(), with the fields that there are now.

    Args:
        written: nested JSON; keys beside those of a config are kept.
        path: of its file, for errors.
    """
    found: dict[str, Any] = with_current_names(
        manifest.plain(written), path, lambda name, _: RENAMED.get(name, name)
    )
    names = [field.name for field in dataclasses.fields(Config)]
    config = {name: found[name] for name in names if name in found}
    return found | facts(strict.parse(Config, config, path))


def digest(config: Config) -> str:
    """SHA-256 of all that the result of a run depends on; the same for every version.

    Fields go by their first names, and one that was added later counts where its value
    changes what the code did before.
    """
    return manifest.digest(first_form(config), FREE_FIELDS)


def first_form(value: Any) -> Any:
    """A value as the first version wrote it: for digests that stay."""
    if isinstance(value, tuple):
        return [first_form(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    return {
        field.metadata.get("was", field.name): first_form(getattr(value, field.name))
        for field in dataclasses.fields(value)
        if not (
            "absent" in field.metadata
            and field.metadata["absent"] == getattr(value, field.name)
        )
    }
