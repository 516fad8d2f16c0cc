"""Runs `python -m stpn_jax.prepare`."""

from stpn_jax import cli

if __name__ == "__main__":
    cli.run_module("stpn_jax.prepare.command")
