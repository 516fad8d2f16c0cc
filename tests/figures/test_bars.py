"""Bars show the classes in order with their probabilities."""

from matplotlib.figure import Figure

from stpn_jax.figures import bars


def test_draws_a_bar_and_two_texts_a_class():
    axes = Figure().add_subplot()
    bars.draw(axes, ["wave", "throw"], [0.75, 0.25])
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert [text.get_text() for text in axes.texts] == [
        "wave",
        "75.0%",
        "throw",
        "25.0%",
    ]


def test_the_first_class_is_on_top():
    axes = Figure().add_subplot()
    bars.draw(axes, ["wave", "throw"], [0.75, 0.25])
    first, second = (axes.transData.transform((0, bar.get_y())) for bar in axes.patches)
    assert first[1] > second[1]


def test_colours_hatches_and_size_are_those_asked_for():
    axes = Figure().add_subplot()
    bars.draw(axes, ["a", "b"], [0.7, 0.3], ["#009e73", "#d55e00"], ["", "//"], 8.0)
    assert [bar.get_hatch() for bar in axes.patches] == ["", "//"]
    first, second = (bar.get_facecolor()[:3] for bar in axes.patches)
    assert first[1] > first[0] and second[0] > second[1]
    assert {text.get_fontsize() for text in axes.texts} == {8.0}
