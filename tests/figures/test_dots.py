"""Marks stand at their values, also for many classes with names of all kinds."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.figures import dots


def drawn_values(figure):
    """Values of every series, in the order of the names."""
    found = {}
    for axes in figure.axes:
        for container in axes.containers:
            values = container.lines[0].get_xdata()
            found.setdefault(container.get_label(), []).extend(values)
    return found


@pytest.mark.parametrize("count", [1, 7, 40, 41, 101])
def test_every_value_is_drawn_once(count):
    rng = np.random.default_rng(0)
    names = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    values = {
        row: rng.uniform(0, 100, count).tolist() for row in ("spatial", "pyramid")
    }
    values["pyramid"][0] = float("nan")
    series = [dots.Series(row, own) for row, own in values.items()]
    figure = dots.draw(names, series, "accuracy in %", (0.0, 100.0))
    legible.check(figure)
    found = drawn_values(figure)
    for row, own in values.items():
        np.testing.assert_array_equal(found[row], own)
    assert figure.get_figwidth() == 7.2


def test_intervals_have_their_ends():
    series = [dots.Series("a", [50.0, 60.0], [40.0, 55.0], [70.0, 60.0])]
    figure = dots.draw(["x", "y"], series, "accuracy in %")
    legible.check(figure)
    (container,) = figure.axes[0].containers
    (bars,) = container.lines[2]
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [[40, 70], [55, 60]]


def test_the_first_name_is_on_top():
    figure = dots.draw(["x", "y"], [dots.Series("a", [1.0, 2.0])], "share")
    axes = figure.axes[0]
    heights = axes.transData.transform([(1, 0), (2, 1)])[:, 1]
    assert heights[0] > heights[1]
