"""The matrix shows shares of each class, and can be read with 101 of them."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.figures import confusion


@pytest.mark.parametrize("count", [1, 2, 7, 20, 21, 51, 101])
def test_the_figure_grows_with_the_classes_and_not_the_letters_shrink(count):
    counts = np.random.default_rng(0).integers(0, 9, (count, count))
    names = [(legible.NAMES * 15)[i] + f" {i}" for i in range(count)]
    figure = confusion.draw(counts, names)
    legible.check(figure)
    matrix, scale = figure.axes
    assert matrix.get_window_extent().height / count > 0.11 * figure.dpi
    assert scale.get_ylabel() == "share of the class"


def test_cells_are_shares_of_the_truth_and_hold_its_counts():
    figure = confusion.draw(np.array([[3, 1, 0], [0, 0, 0], [0, 2, 2]]), list("abc"))
    axes = figure.axes[0]
    shares = axes.images[0].get_array()
    np.testing.assert_array_equal(shares[[0, 2]], [[0.75, 0.25, 0], [0, 0.5, 0.5]])
    assert np.isnan(np.ma.filled(shares, np.nan)[1]).all()
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(0, 0): "3", (1, 0): "1", (1, 2): "2", (2, 2): "2"}
    assert [label.get_text() for label in axes.get_yticklabels()] == list("abc")
