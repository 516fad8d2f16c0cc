"""The errors of the operator against what the theory says of them."""

import numpy as np
import pytest

from studies import sketch_approximation as approximation


@pytest.mark.slow
def test_errors_keep_to_the_bound_and_halve_with_four_times_the_width(monkeypatch):
    monkeypatch.setattr(approximation, "CHANNELS", 256)
    monkeypatch.setattr(approximation, "PAIRS", 200)
    monkeypatch.setattr(approximation, "WIDTHS", (256, 1024, 4096, 16384))
    header, *lines = approximation.inner_products(seeds=2, widest=4096)
    assert header[2:5] == ["error", "std over seeds", "bound"]
    errors = {(int(m), int(d)): float(e) for m, d, e, *_ in lines}
    for m, width, error, _, bound, rounded in lines:
        assert float(bound) == pytest.approx(
            np.sqrt((3 ** int(m) - 1) / int(width)), abs=1e-4
        )
        assert 0 < float(error) < float(bound)
        assert float(rounded) == pytest.approx(float(error), rel=0.05)
    for m in approximation.PATHWAYS:
        ratio = errors[m, 256] / errors[m, 4096]
        assert 3 < ratio < 5


def test_the_report_has_three_widths_and_the_outer_product():
    header = ["m", "features", "accuracy", "std over seeds", "rooted"]
    widths = ("outer product, 1024", "sketch, 64", "sketch, 1024", "sketch, 16384")
    lines = [header, *(["2", width, "50.0", "1.0", "40.0"] for width in widths)]
    assert approximation.shown(lines) == [
        ["m", "features", "accuracy", "rooted"],
        *(["2", width, "50.0", "40.0"] for width in widths if width != "sketch, 64"),
    ]


def test_the_outer_product_is_what_its_name_says():
    x = approximation.independent(3, 4)
    wanted = np.einsum("na,nb,nc->nabc", *x).reshape(4, -1)
    np.testing.assert_allclose(approximation.outer(x), wanted)
