"""Learning curves, throughput and features, with and without data."""

import numpy as np
import pytest
from reference import legible

from stpn_jax.report import learning_section
from stpn_jax.report.page import Picture


def rows(validates=True):
    return [
        {"step": step, "loss": 3 / step, "accuracy": 0.5, "snippets_per_second": 9.0}
        | ({"validation_mean_class_accuracy": 0.4} if validates and step == 4 else {})
        for step in (2, 4)
    ]


def pictures(section):
    return [block for block in section.blocks if isinstance(block, Picture)]


def test_learning_shows_every_stage_that_took_steps():
    stages = {"spatial": rows(), "temporal": rows(validates=False), "pyramid": []}
    section = learning_section.curves(stages)
    (picture,) = pictures(section)
    legible.check(picture.figure)
    loss, accuracy, _, alone = picture.figure.axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [1.5, 0.75])
    assert [line.get_ydata()[-1] for line in accuracy.lines] == [50, 40]
    assert len(alone.lines) == 1
    assert "no steps: pyramid." in section.blocks[-1]
    assert picture.numbers.rows[1] == ("spatial", 4, 0.75, 0.5, 0.4)
    assert len(picture.numbers.rows) == 4


def test_throughput_has_the_median_of_every_stage():
    section = learning_section.throughput({"spatial": rows(), "pyramid": rows()})
    table, picture = section.blocks
    assert table.rows == [("spatial", "9", "9", "9", 4), ("pyramid", "9", "9", "9", 4)]
    legible.check(picture.figure)


def test_without_any_step_there_are_sentences():
    for make in (learning_section.curves, learning_section.throughput):
        section = make({"spatial": []})
        assert not pictures(section) and len(section.blocks) == 1


def features(count, *kinds):
    rng = np.random.default_rng(0)
    found = {kind: rng.random((count, 6), np.float32) for kind in kinds}
    names = [f"clip {i}" for i in range(count)]
    labels = np.arange(count) % 2
    return learning_section.features(found, names, labels, legible.NAMES, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [("spatial",), ("spatial", "attended", "pyramid")])
def test_every_kind_of_feature_has_a_panel_and_numbers(kinds):
    (picture,) = features(9, *kinds).blocks
    legible.check(picture.figure)
    assert [axes.get_title() for axes in picture.figure.axes] == list(kinds)
    assert len(picture.numbers.rows) == 9
    assert len(picture.numbers.rows[0]) == 2 + 2 * len(kinds)


def test_three_videos_are_too_few_for_tsne():
    (sentence,) = features(3, "spatial").blocks
    assert "3 videos" in sentence


def test_tsne_keeps_separate_groups_separate():
    rng = np.random.default_rng(0)
    centres = 10 * rng.standard_normal((3, 64))
    labels = np.arange(60) % 3
    features = (centres[labels] + rng.standard_normal((60, 64))).astype(np.float32)
    points = learning_section.tsne(features, seed=0)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).all()


@pytest.mark.slow
@pytest.mark.parametrize("count", [learning_section.FEWEST, 5, 11])
@pytest.mark.parametrize("width", [1, 2, 300])
def test_tsne_of_few_points_of_any_width(count, width):
    features = np.random.default_rng(0).random((count, width), np.float32)
    points = learning_section.tsne(features, seed=0)
    assert points.shape == (count, 2) and np.isfinite(points).all()
    np.testing.assert_array_equal(points, learning_section.tsne(features, seed=0))


def test_tsne_of_equal_points_is_finite():
    assert np.isfinite(learning_section.tsne(np.ones((9, 4), np.float32), seed=0)).all()
