"""The only package that knows everybody: a Config becomes a run."""
