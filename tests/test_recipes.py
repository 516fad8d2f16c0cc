"""The multipliers of the shipped recipes reach the parameters they are meant for."""

import re

import jax
import pytest
from flax import traverse_util

from configs import hmdb51, ucf101
from stpn_jax import config as configs
from stpn_jax.experiment import setup
from stpn_jax.models import build
from stpn_jax.train import optimizer
from studies import tables


def factors(module, variant, name):
    config = configs.from_config_dict(module.get_config(variant))
    (stage,) = (stage for stage in config.stages if stage.name == name)
    network = build.build(
        config.model, stage, classes=5, input_size=64, resize=False, axis_name=None
    )
    shape = setup.snippet_shape(config, stage, frames=1)
    batch = setup.blank_batch(shape, 64)
    variables = jax.eval_shape(network.init, jax.random.key(0), batch)
    tree = optimizer.lr_multipliers(stage.lr_multipliers, variables["params"])
    return traverse_util.flatten_dict(tree, sep="/")


def test_tsn_multipliers_on_bn_inception():
    flat = factors(ucf101, "", "temporal")
    assert flat["temporal/backbone/conv1_7x7_s2/kernel"] == 5
    assert flat["temporal/backbone/conv1_7x7_s2/bias"] == 10
    assert flat["temporal/backbone/conv2_3x3/kernel"] == 1
    assert flat["temporal/backbone/conv2_3x3/bias"] == 2
    assert flat["temporal/backbone/conv1_7x7_s2_bn/bias"] == 1
    assert flat["classifier/dense/bias"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("module", [ucf101, hmdb51])
@pytest.mark.parametrize(
    "row", [row for row in tables.ROWS if row.startswith(("table2_", "table7_"))]
)
def test_multipliers_of_every_backbones_row_match(module, row):
    config = configs.from_config_dict(module.get_config(row))
    for stage in config.stages:
        flat = factors(module, row, stage.name)
        moved = {name for name, factor in flat.items() if factor == 2}
        assert "classifier/dense/bias" in moved
        assert not any(re.search(r"bn\d?/bias$", name) for name in moved)


@pytest.mark.parametrize("module", [ucf101, hmdb51])
def test_small_recipe_moves_the_classifier_faster(module):
    flat = factors(module, "lite0", "temporal")
    fast = {name for name, factor in flat.items() if factor == 5}
    assert fast == {"classifier/dense/kernel", "classifier/dense/bias"}
