"""The section on features: a panel for each, and a sentence for too few videos."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.report import features


def make(count, *kinds):
    rng = np.random.default_rng(0)
    found = {kind: rng.random((count, 6), np.float32) for kind in kinds}
    names = [f"clip {i}" for i in range(count)]
    labels = np.arange(count) % 2
    return features.section(found, names, labels, legible.NAMES, seed=0)


@pytest.mark.parametrize("kinds", [("spatial",), ("spatial", "attended", "pyramid")])
def test_every_kind_has_a_panel_and_its_numbers(kinds):
    (picture,) = make(9, *kinds).blocks
    legible.check(picture.figure)
    assert [axes.get_title() for axes in picture.figure.axes] == list(kinds)
    assert len(picture.numbers.rows) == 9
    assert len(picture.numbers.rows[0]) == 2 + 2 * len(kinds)


def test_three_videos_are_too_few():
    (sentence,) = make(3, "spatial").blocks
    assert "3 videos" in sentence
