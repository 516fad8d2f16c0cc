"""Comparisons: the tables of the paper and those of RESULTS.md."""
