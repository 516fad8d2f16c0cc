"""From videos or extracted images to records: `python -m stpn_jax.prepare`."""
