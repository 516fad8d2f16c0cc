"""Every network that the study trains can be built."""

import jax
import pytest
from etils import epath
from reference import snippets

from stpn_jax.models import build
from studies import runs
from studies.tables import PAPER, ROWS, STUDIES

SIDE, CLASSES = 64, 5
TINY = ("--config.model.backbone=tiny", "--config.model.weights=none")


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_variant_builds(name):
    planned = runs.plan_study(STUDIES[name], epath.Path("runs"), TINY, seeds=1)
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


def test_a_variant_is_one_whatever_its_label():
    every = [*PAPER.values(), *(t for s in STUDIES.values() for t in s.tables.values())]
    for table in every:
        variants = [row.variant for row in table.rows]
        assert len(set(variants)) == len(variants)
        for row in table.rows:
            assert row.change is ROWS[row.variant].change
            assert len(row.results) == len(table.columns) * (len(table.datasets) or 1)
            assert len(row.numbers) == len(row.results)
