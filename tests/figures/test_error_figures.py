"""Confusion matrix and cases: legible, and right distinguished from wrong."""

import matplotlib.colors
import numpy as np
import pytest
from reference import legible

from stpn_jax.figures import error_figures, style


def case(truth, labels, size=(24, 32)):
    frames = np.full((4, *size, 3), 80, np.uint8)
    predictions = [
        (labels, np.linspace(0.5, 0.05, len(labels)).tolist()),
        (labels[::-1], [1.0] + [0.0] * (len(labels) - 1)),
    ]
    return error_figures.Case(truth, frames, predictions)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("size", [(72, 72), (256, 340), (340, 256)])
def test_cases_are_legible_whatever_the_names(count, size):
    networks = ["average of spatial and temporal", "pyramid"]
    cases = [case(name, legible.NAMES[:5], size) for name in legible.NAMES[:count]]
    legible.check(error_figures.cases(networks, cases))


def test_right_and_wrong_bars_differ_in_colour_hatch_and_tick():
    figure = error_figures.cases(["a", "b"], [case("wave", ["throw", "wave", "run"])])
    images, first, second = figure.axes
    assert images.get_title(loc="left") == "wave" and len(images.images) == 1
    assert [bar.get_width() for bar in second.patches] == [1, 0, 0]
    hatches = [bar.get_hatch() for bar in first.patches]
    assert hatches == ["////", "", "////"]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in first.patches]
    assert colours == [style.VERMILLION, style.GREEN, style.VERMILLION]
    ticked = [text.get_text() for text in first.texts if "✓" in text.get_text()]
    assert ticked == ["wave ✓"]


@pytest.mark.parametrize("count", [1, 2, 7, 20, 21, 51, 101])
def test_confusion_matrix_grows_with_the_number_of_classes(count):
    counts = np.random.default_rng(0).integers(0, 9, (count, count))
    names = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    figure = error_figures.confusion_matrix(counts, names)
    legible.check(figure)
    matrix, scale = figure.axes
    assert matrix.get_window_extent().height / count > 0.11 * figure.dpi
    assert scale.get_ylabel() == "share of the class"


def test_confusion_matrix_has_shares_as_colours_and_counts_as_text():
    figure = error_figures.confusion_matrix(
        np.array([[3, 1, 0], [0, 0, 0], [0, 2, 2]]), list("abc")
    )
    axes = figure.axes[0]
    shares = axes.images[0].get_array()
    np.testing.assert_array_equal(shares[[0, 2]], [[0.75, 0.25, 0], [0, 0.5, 0.5]])
    assert np.isnan(np.ma.filled(shares, np.nan)[1]).all()
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "3", (1, 0): "1", (1, 2): "2", (2, 2): "2"}
    assert [label.get_text() for label in axes.get_yticklabels()] == list("abc")
