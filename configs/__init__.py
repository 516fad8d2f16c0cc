"""The config files: `--config=configs/NAME.py`, each with get_config(variant)."""

import importlib
import types
import warnings
from typing import Any

# Modules that users' config files may import by earlier names, with what they have.
_MOVED = {
    "base": ("configs.variants", ("get_config", "stage", "use_lite0", "shrink")),
    "rows": ("studies.tables", ("split", "apply", "ROWS")),
}


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place, names = _MOVED[name]
    message = f"configs.{name} is now {place}; the old name will go"
    warnings.warn(message, FutureWarning, stacklevel=2)
    module = importlib.import_module(place)
    return types.SimpleNamespace(**{one: getattr(module, one) for one in names})
