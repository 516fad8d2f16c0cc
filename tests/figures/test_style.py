"""Shared style: file size, shortened names, distinguishable colours and markers."""

import io

import matplotlib.colors
import numpy as np
import pytest
from matplotlib import image as reader
from reference import legible

from stpn_jax.figures import style


def test_png_has_the_size_of_the_figure_whatever_its_text():
    figure = style.new(1.0)
    for row, name in enumerate(legible.NAMES):
        figure.text(0, row / 9, style.short(name, 30), parse_math=False)
    pixels = reader.imread(io.BytesIO(style.png(figure)))
    assert pixels.shape[:2] == (style.DPI, round(style.WIDTH * style.DPI))
    assert pixels[..., :3].min() < 0.5


def test_long_names_are_shortened_and_wide_letters_count_twice():
    assert style.short("wave", 4) == "wave"
    assert style.short("waves", 4) == "wav\u2026"
    assert style.short("two\n lines", 20) == "two lines"
    assert style.short("\u6b69\u304f\u4eba", 6) == "\u6b69\u304f\u4eba"
    assert style.short("\u6b69\u304f\u4eba", 5) == "\u6b69\u304f\u2026"
    style.short("\udcff", 5).encode()


def test_colours_are_distinct_for_colour_blind_readers():
    """Simulated after Machado et al. 2009, severity 1; distances in CIE Lab."""
    from skimage import color

    rgb = np.array([matplotlib.colors.to_rgb(c) for c in style.COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    protan = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    deutan = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    for matrix in (np.eye(3), np.array(protan), np.array(deutan)):
        seen = np.clip(linear @ matrix.T, 0, 1)
        back = np.where(
            seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055
        )
        lab = color.rgb2lab(back[None])[0]
        distance = np.linalg.norm(lab[:, None] - lab, axis=-1)
        assert distance[~np.eye(len(lab), dtype=bool)].min() > 10


def test_no_two_of_seventy_series_have_one_style():
    assert len({tuple(style.series(i).values()) for i in range(70)}) == 70


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("wide" * 60, {}, "is cut"),
        ("small", {"fontsize": 6}, "small"),
        ("here", {}, "lies on"),
    ],
)
def test_legibility_check_can_fail(text, options, message):
    figure = style.new(1.0)
    figure.set_layout_engine("none")
    figure.text(0.1, 0.5, "here")
    legible.check(figure)
    figure.text(0.1, 0.5, text, **options)
    with pytest.raises(AssertionError, match=message):
        legible.check(figure)
    with pytest.raises(AssertionError, match="without data"):
        figure = style.new(1.0)
        figure.add_subplot()
        legible.check(figure)
