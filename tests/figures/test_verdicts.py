"""Cases: the frames of a clip, its truth, and right and wrong bars told apart."""

import matplotlib.colors
import numpy as np
import pytest
from reference import legible

from stpn_jax.figures import figures, verdicts


def case(truth, labels, size=(24, 32)):
    frames = np.full((4, *size, 3), 80, np.uint8)
    answers = [
        verdicts.Answer(labels, np.linspace(0.5, 0.05, len(labels)).tolist()),
        verdicts.Answer(labels[::-1], [1.0] + [0.0] * (len(labels) - 1)),
    ]
    return verdicts.Case("clip", truth, frames, answers)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("size", [(72, 72), (256, 340), (340, 256)])
def test_can_be_read_whatever_the_names(count, size):
    networks = ["average of spatial and temporal", "pyramid"]
    cases = [case(name, legible.NAMES[:5], size) for name in legible.NAMES[:count]]
    legible.check(verdicts.draw(networks, cases))


def test_right_bars_differ_from_wrong_ones_in_colour_hatch_and_sign():
    figure = verdicts.draw(["a", "b"], [case("wave", ["throw", "wave", "run"])])
    images, first, second = figure.axes
    assert images.get_title(loc="left") == "wave" and len(images.images) == 1
    assert [bar.get_width() for bar in second.patches] == [1, 0, 0]
    hatches = [bar.get_hatch() for bar in first.patches]
    assert hatches == ["////", "", "////"]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in first.patches]
    assert colours == [figures.VERMILLION, figures.GREEN, figures.VERMILLION]
    ticked = [text.get_text() for text in first.texts if "✓" in text.get_text()]
    assert ticked == ["wave ✓"]
