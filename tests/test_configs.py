"""Every shipped config, and every variant that its docstring names, is whole."""

import importlib
import re

import pytest

from stpn_jax import config as configs
from stpn_jax.models import build
from stpn_jax.utils.errors import UsageError

FILES = ("demo", "folder", "ucf101", "hmdb51", "study")


def variants():
    for name in FILES:
        module = importlib.import_module(f"configs.{name}")
        found = re.findall(rf"configs/{name}\.py(?::(\w+))?  ", module.__doc__)
        assert found[0] == ""
        yield from ((name, variant) for variant in found)


@pytest.mark.parametrize(("name", "variant"), list(variants()))
def test_variant_parses_and_its_networks_are_known(name, variant):
    module = importlib.import_module(f"configs.{name}")
    config = configs.from_config_dict(module.get_config(variant))
    for stage in config.stages:
        network = build.build(
            config.model, stage, classes=2, input_size=64, resize=False, axis_name=None
        )
        assert network.classifier.classes == 2
        assert all(drop < stage.steps for drop in stage.lr_milestones)
        earlier = [s.name for s in config.stages[: config.stages.index(stage)]]
        assert set(stage.init) <= set(earlier)


@pytest.mark.parametrize("name", FILES)
def test_unknown_variant_lists_the_known_ones(name):
    module = importlib.import_module(f"configs.{name}")
    with pytest.raises(UsageError, match="expected one of"):
        module.get_config("no_such_variant")


def test_earlier_names_of_modules_are_found_with_a_warning():
    with pytest.warns(FutureWarning, match="configs.base is now configs.variants"):
        from configs import base
    with pytest.warns(FutureWarning, match="configs.rows is now studies.tables"):
        from configs import rows
    assert rows.apply(base.get_config("folder", "x"), "table6_c").seed == 0
