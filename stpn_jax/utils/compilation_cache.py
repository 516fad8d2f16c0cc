"""Keeps compiled programs on disk between runs."""

import os
import pathlib

import jax


def enable() -> None:
    """Uses ~/.cache/stpn_jax/xla unless JAX_COMPILATION_CACHE_DIR names another."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = pathlib.Path.home() / ".cache" / "stpn_jax" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))
