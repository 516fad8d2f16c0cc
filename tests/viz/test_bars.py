"""Bars show the classes in order with their probabilities."""

from matplotlib.figure import Figure

from stpn_jax.viz import bars


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
