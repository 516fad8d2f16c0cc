"""Every network that the study trains can be built."""

import jax
import pytest
from etils import epath
from reference import snippets

from configs import study
from stpn_jax.models import build
from stpn_jax.study import trials
from stpn_jax.study.parts import PARTS

SIDE, CLASSES = 64, 5
TINY = ("--config.model.backbone=tiny", "--config.model.weights=none")


@pytest.mark.parametrize("name", PARTS)
def test_every_row_builds(name):
    planned = trials.plan(PARTS[name], epath.Path("runs"), TINY, most_seeds=1)
    distinct = {(one.config.model, one.config.stages[-1]) for one in planned}
    for model, stage in distinct:
        net = build.build(
            model, stage, classes=CLASSES, input_size=SIDE, resize=False, axis_name=None
        )
        frames = 0 if stage.network == "temporal" else 1
        batch = snippets.batch(
            frames=frames, paths=stage.paths, side=SIDE, classes=CLASSES
        )
        shapes = jax.eval_shape(net.init, jax.random.key(0), batch)
        assert shapes["params"]["classifier"]["dense"]["bias"].shape == (CLASSES,)


def test_changes_are_listed_in_their_docstring_and_compared_somewhere():
    compared = {
        row.variant
        for part in PARTS.values()
        for comparison in part.comparisons.values()
        for row in comparison.table.rows
    }
    assert set(study.CHANGES) <= compared
    for change in study.CHANGES:
        assert f" {change}" in study.__doc__
