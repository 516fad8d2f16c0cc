"""A trained network as a folder that runs with JAX alone."""
