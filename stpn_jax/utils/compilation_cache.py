"""Compiled programs are kept on disk between runs, for every command of the package."""

import os
import pathlib

import jax

VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def enable() -> None:
    """Keeps them in ~/.cache/stpn_jax/xla, unless the user's environment says where."""
    if VARIABLE not in os.environ:
        cache = pathlib.Path.home() / ".cache" / "stpn_jax" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))
