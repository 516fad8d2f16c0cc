"""The config files: `--config=configs/NAME.py`, each with get_config(variant)."""

import importlib
import warnings
from typing import Any

_MOVED = {"base": "configs.variants", "rows": "studies.tables"}


def __getattr__(name: str) -> Any:
    """Modules that users' config files may import by their earlier names."""
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    message = f"configs.{name} is now {_MOVED[name]}"
    warnings.warn(f"{message}; the old name will go", FutureWarning, stacklevel=2)
    return importlib.import_module(_MOVED[name])
