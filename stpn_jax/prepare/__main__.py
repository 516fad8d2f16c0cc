"""Runs `python -m stpn_jax.prepare`."""

from stpn_jax.prepare import command

if __name__ == "__main__":
    command.run()
