"""Comparison of many tensors, each by its own largest value."""

from collections.abc import Mapping

import numpy as np

TOLERANCE = 1e-4


def errors(
    found: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    largest: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The largest deviation of each tensor, in parts of its largest value.

    Args:
        found: by name; other names than expected are an error.
        expected: by name.
        largest: absolute values, where `expected` is a sample of larger tensors.
    """
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    return {
        name: _error(name, found[name], value, largest and largest[name])
        for name, value in expected.items()
    }


def check(
    found: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    largest: Mapping[str, float] | None = None,
) -> None:
    """Fails with the names of the tensors that are further off than TOLERANCE."""
    measured = errors(found, expected, largest)
    worst = sorted(measured, key=measured.get, reverse=True)[:5]
    text = ", ".join(f"{name} {measured[name]:.1e}" for name in worst)
    print(f"deviation in parts of the largest value: {text}")
    wrong = [name for name, error in measured.items() if not error <= TOLERANCE]
    assert not wrong, f"{len(wrong)} of {len(measured)} tensors are off: {text}"


def _error(
    name: str, found: np.ndarray, expected: np.ndarray, largest: float | None
) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    largest = largest or np.abs(expected).max()
    deviation = np.abs(found - expected).max()
    return float(deviation / largest) if largest else float(deviation)
