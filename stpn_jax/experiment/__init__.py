"""The only package that knows everybody: a Config becomes data, stages, scores, export."""
