"""Helpers for every part of the package: errors, files, locks, manifests, parsing."""
