"""Points by class: every class has a look of its own, every panel all the points."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.figures import scatter


@pytest.mark.parametrize("panels", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 7, 16])
def test_can_be_read(panels, count):
    rng = np.random.default_rng(0)
    names = [(legible.NAMES * 3)[i] + f" {i}" for i in range(count)]
    labels = rng.integers(count, size=50)
    points = [
        scatter.Panel(f"level {i}", rng.standard_normal((50, 2))) for i in range(panels)
    ]
    figure = scatter.draw(points, labels, names)
    legible.check(figure)
    assert len(figure.axes) == panels
    for axes, panel in zip(figure.axes, points, strict=True):
        drawn = np.concatenate([own.get_offsets() for own in axes.collections])
        assert len(drawn) == 50
        np.testing.assert_allclose(drawn.sum(axis=0), panel.points.sum(axis=0))


def test_points_of_a_class_are_drawn_as_its_own():
    points = np.arange(8.0).reshape(4, 2)
    labels = np.array([2, 0, 2, 0])
    figure = scatter.draw([scatter.Panel("x", points)], labels, ["a", "b", "c"])
    first, second = figure.axes[0].collections
    assert (first.get_label(), second.get_label()) == ("a", "c")
    np.testing.assert_array_equal(second.get_offsets(), points[[0, 2]])


def test_no_two_classes_look_alike():
    assert len({scatter.style(i) for i in range(70)}) == 70
