"""Sections on training, of stages that logged all, some or nothing."""

import numpy as np
from reference import legible

from stpn_jax.report import training
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
    section = training.learning(stages)
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
    section = training.throughput({"spatial": rows(), "pyramid": rows()})
    table, picture = section.blocks
    assert table.rows == [("spatial", "9", "9", "9", 4), ("pyramid", "9", "9", "9", 4)]
    legible.check(picture.figure)


def test_without_any_step_there_are_sentences():
    for make in (training.learning, training.throughput):
        section = make({"spatial": []})
        assert not pictures(section) and len(section.blocks) == 1
