"""Curves are drawn as they are, and one name looks alike everywhere."""

import numpy as np
from reference import legible

from stpn_jax.figures import curves


def panel(*curve, **options):
    return curves.Panel("$stage_{", "loss", curve, **options)


def test_panels_hold_their_curves_and_share_one_legend():
    one = curves.Curve("training", [20, 40, 60], [3.0, 2.0, 1.0])
    two = curves.Curve("validation", [40], [50.0])
    figure = curves.draw([[panel(one), panel(one, two, end=100.0)]])
    legible.check(figure)
    left, right = figure.axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [3, 2, 1])
    np.testing.assert_array_equal(right.lines[1].get_xydata(), [[40, 50]])
    assert right.get_ylim() == (0, 100) and left.get_ylim()[0] == 0
    assert left.lines[0].get_color() == right.lines[0].get_color()
    assert right.lines[0].get_marker() != right.lines[1].get_marker()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["training", "validation"]


def test_many_stages_of_many_steps_can_be_read():
    steps = np.arange(1, 20_001, 20)
    line = curves.Curve("training batch", steps, 1e3 / steps)
    legible.check(curves.draw([[panel(line), panel(line)] for _ in range(5)]))
