"""Curves, dots and scatter plots show their values and stay legible."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.figures import charts


def drawn_values(figure):
    """Values of every series, in the order of the names."""
    found = {}
    for axes in figure.axes:
        for container in axes.containers:
            values = container.lines[0].get_xdata()
            found.setdefault(container.get_label(), []).extend(values)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 7, 40, 41, 101])
def test_dots_show_every_value_once(count):
    rng = np.random.default_rng(0)
    names = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    values = {
        row: rng.uniform(0, 100, count).tolist() for row in ("spatial", "pyramid")
    }
    values["pyramid"][0] = float("nan")
    series = [charts.Series(row, own) for row, own in values.items()]
    figure = charts.dots(names, series, "accuracy in %", (0.0, 100.0))
    legible.check(figure)
    found = drawn_values(figure)
    for row, own in values.items():
        np.testing.assert_array_equal(found[row], own)
    assert figure.get_figwidth() == 7.2


def test_dots_have_intervals():
    series = [charts.Series("a", [50.0, 60.0], [40.0, 55.0], [70.0, 60.0])]
    figure = charts.dots(["x", "y"], series, "accuracy in %")
    legible.check(figure)
    (container,) = figure.axes[0].containers
    (bars,) = container.lines[2]
    ends = [segment[:, 0].tolist() for segment in bars.get_segments()]
    assert ends == [[40, 70], [55, 60]]


def test_dots_of_the_first_name_are_on_top():
    figure = charts.dots(["x", "y"], [charts.Series("a", [1.0, 2.0])], "share")
    axes = figure.axes[0]
    heights = axes.transData.transform([(1, 0), (2, 1)])[:, 1]
    assert heights[0] > heights[1]


def panel(*curve, **options):
    return charts.Panel("$stage_{", "loss", curve, **options)


def test_curve_panels_share_one_legend():
    one = charts.Curve("training", [20, 40, 60], [3.0, 2.0, 1.0])
    two = charts.Curve("validation", [40], [50.0])
    figure = charts.curves([[panel(one), panel(one, two, end=100.0)]])
    legible.check(figure)
    left, right = figure.axes
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [3, 2, 1])
    np.testing.assert_array_equal(right.lines[1].get_xydata(), [[40, 50]])
    assert right.get_ylim() == (0, 100) and left.get_ylim()[0] == 0
    assert left.lines[0].get_color() == right.lines[0].get_color()
    assert right.lines[0].get_marker() != right.lines[1].get_marker()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["training", "validation"]


def test_many_long_curves_are_legible():
    steps = np.arange(1, 20_001, 20)
    line = charts.Curve("training batch", steps, 1e3 / steps)
    legible.check(charts.curves([[panel(line), panel(line)] for _ in range(5)]))


@pytest.mark.parametrize("panels", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 7, 16])
def test_scatter_is_legible_and_complete(panels, count):
    rng = np.random.default_rng(0)
    names = [(legible.NAMES * 3)[i] + f" {i}" for i in range(count)]
    labels = rng.integers(count, size=50)
    planes = {f"level {i}": rng.standard_normal((50, 2)) for i in range(panels)}
    figure = charts.scatter(planes, labels, names)
    legible.check(figure)
    assert len(figure.axes) == panels
    for axes, points in zip(figure.axes, planes.values(), strict=True):
        drawn = np.concatenate([own.get_offsets() for own in axes.collections])
        assert len(drawn) == 50
        np.testing.assert_allclose(drawn.sum(axis=0), points.sum(axis=0))


def test_scatter_draws_each_class_separately():
    points = np.arange(8.0).reshape(4, 2)
    labels = np.array([2, 0, 2, 0])
    figure = charts.scatter({"x": points}, labels, ["a", "b", "c"])
    first, second = figure.axes[0].collections
    assert (first.get_label(), second.get_label()) == ("a", "c")
    np.testing.assert_array_equal(second.get_offsets(), points[[0, 2]])


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 7, 20, 21, 51, 101])
def test_confusion_matrix_grows_with_the_number_of_classes(count):
    counts = np.random.default_rng(0).integers(0, 9, (count, count))
    names = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    figure = charts.confusion_matrix(counts, names)
    legible.check(figure)
    matrix, scale = figure.axes
    assert matrix.get_window_extent().height / count > 0.11 * figure.dpi
    assert scale.get_ylabel() == "share of the class"


def test_confusion_matrix_has_shares_as_colours_and_counts_as_text():
    figure = charts.confusion_matrix(
        np.array([[3, 1, 0], [0, 0, 0], [0, 2, 2]]), list("abc")
    )
    axes = figure.axes[0]
    shares = axes.images[0].get_array()
    np.testing.assert_array_equal(shares[[0, 2]], [[0.75, 0.25, 0], [0, 0.5, 0.5]])
    assert np.isnan(np.ma.filled(shares, np.nan)[1]).all()
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "3", (1, 0): "1", (1, 2): "2", (2, 2): "2"}
    assert [label.get_text() for label in axes.get_yticklabels()] == list("abc")
