"""`python -m stpn_jax.synthetic FOLDER --seed=N`."""

from stpn_jax import cli

if __name__ == "__main__":
    cli.run_module("stpn_jax.synthetic.videos")
