"""Keeps compiled programs on disk between runs."""

import pathlib

import jax


def enable() -> None:
    """Uses ~/.cache/stpn_jax/xla unless JAX has another folder."""
    if not jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        cache = pathlib.Path.home() / ".cache" / "stpn_jax" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(cache))
