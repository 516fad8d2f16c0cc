"""Prediction picture, class bars and timeline."""

import io

import matplotlib.colors
import numpy as np
import pytest
from matplotlib import image as reader
from matplotlib.figure import Figure
from reference import legible

from stpn_jax.figures import prediction_figure, style


@pytest.mark.parametrize("name", ["wave", "$100_and_\udcff" * 30, "$a$"])
def test_prediction_has_a_fixed_size(name):
    image = np.full((32, 48, 3), (200, 30, 30), np.uint8)
    png = prediction_figure.draw(name, ["$x_1", "wave"], [0.9, 0.1], image)
    pixels = reader.imread(io.BytesIO(png))
    assert pixels.shape == (480, 1200, 4)
    red = np.abs(pixels[..., :3] - np.array([200, 30, 30]) / 255).max(-1) < 0.01
    assert red[:, :700].sum() > 50_000
    assert red[:, 740:].sum() == 0


def test_each_class_has_a_bar_and_two_texts():
    axes = Figure().add_subplot()
    prediction_figure.bars(axes, ["wave", "throw"], [0.75, 0.25])
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert [text.get_text() for text in axes.texts] == [
        "wave",
        "75.0%",
        "throw",
        "25.0%",
    ]


def test_the_first_class_is_on_top():
    axes = Figure().add_subplot()
    prediction_figure.bars(axes, ["wave", "throw"], [0.75, 0.25])
    first, second = (axes.transData.transform((0, bar.get_y())) for bar in axes.patches)
    assert first[1] > second[1]


def test_bars_have_the_given_colours_hatches_and_size():
    axes = Figure().add_subplot()
    prediction_figure.bars(
        axes, ["a", "b"], [0.7, 0.3], ["#009e73", "#d55e00"], ["", "//"], 8.0
    )
    assert [bar.get_hatch() for bar in axes.patches] == ["", "//"]
    first, second = (bar.get_facecolor()[:3] for bar in axes.patches)
    assert first[1] > first[0] and second[0] > second[1]
    assert {text.get_fontsize() for text in axes.texts} == {8.0}


PARTS = [
    (0.0, 30.0, "walk", 1.0),
    (30.0, 40.0, "$run_$", 1.0),
    (40.0, 60.0, "walk", 1.0),
]


def test_timeline_bars_are_as_wide_as_the_parts_are_long():
    picture = reader.imread(io.BytesIO(prediction_figure.timeline(PARTS)))[..., :3]
    first, second = (np.array(prediction_figure._LABEL_COLOURS(i)[:3]) for i in (0, 1))
    row = picture[int(picture.shape[0] * 0.6)]
    walk, run = (np.abs(row - colour).max(-1) < 0.02 for colour in (first, second))
    assert 4 < walk.sum() / run.sum() < 6
    assert np.flatnonzero(walk).min() < np.flatnonzero(run).min()
    assert np.flatnonzero(walk).max() > np.flatnonzero(run).max()


def case(truth, labels, size=(24, 32)):
    frames = np.full((4, *size, 3), 80, np.uint8)
    predictions = [
        (labels, np.linspace(0.5, 0.05, len(labels)).tolist()),
        (labels[::-1], [1.0] + [0.0] * (len(labels) - 1)),
    ]
    return prediction_figure.Case(truth, frames, predictions)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("size", [(72, 72), (256, 340), (340, 256)])
def test_cases_are_legible_whatever_the_names(count, size):
    networks = ["average of spatial and temporal", "pyramid"]
    cases = [case(name, legible.NAMES[:5], size) for name in legible.NAMES[:count]]
    legible.check(prediction_figure.cases(networks, cases))


def test_right_and_wrong_bars_differ_in_colour_hatch_and_tick():
    figure = prediction_figure.cases(
        ["a", "b"], [case("wave", ["throw", "wave", "run"])]
    )
    images, first, second = figure.axes
    assert images.get_title(loc="left") == "wave" and len(images.images) == 1
    assert [bar.get_width() for bar in second.patches] == [1, 0, 0]
    hatches = [bar.get_hatch() for bar in first.patches]
    assert hatches == ["////", "", "////"]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in first.patches]
    assert colours == [style.VERMILLION, style.GREEN, style.VERMILLION]
    ticked = [text.get_text() for text in first.texts if "✓" in text.get_text()]
    assert ticked == ["wave ✓"]
