"""Configs are checked in full when they are read."""

import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax.utils import manifest
from stpn_jax.utils.errors import UsageError


def test_stages_keep_their_order_and_get_their_keys_as_names():
    config = configs.from_config_dict(demo.get_config())
    assert [stage.name for stage in config.stages] == ["spatial", "temporal", "pyramid"]


def test_unknown_key_is_named_with_the_nearest_known_one():
    given = demo.get_config().to_dict()
    given["data"]["flow_lenght"] = 10
    with pytest.raises(UsageError, match=r"config.data.flow_lenght.*flow_length"):
        configs.from_config_dict(given)


def test_missing_key_is_named():
    given = demo.get_config().to_dict()
    del given["model"]["backbone"]
    with pytest.raises(UsageError, match=r"config.model.*backbone.*missing"):
        configs.from_config_dict(given)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("data", "tau", (1, 2, 3)),
        ("data", "tau", 5),
        ("data", "dataset", "kinetics"),
        ("data", "flip", 1),
        ("data", "input_size", 224.0),
        ("data", "input_size", 0),
        ("data", "validation_fraction", 2.0),
        ("data", "threads", 0),
        ("evaluation", "batch", 0),
        ("run", "checkpoints", 0),
        ("evaluation", "views", 3),
        ("run", "log_every", True),
    ],
)
def test_wrong_values_are_named(section, field, value):
    given = demo.get_config().to_dict()
    given[section][field] = value
    with pytest.raises(UsageError, match=f"config.{section}.{field}"):
        configs.from_config_dict(given)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dropout", 1.5, "at most 0.99"),
        ("learning_rate", -1.0, "at least"),
        ("steps", -1, "at least 0"),
        ("paths", 0, "paths = 0"),
        ("init", ("spatial", "later"), "'later' is not the name of a stage before"),
        ("multipliers", (("(", 1.0),), "multipliers"),
    ],
)
def test_stages_are_checked(field, value, message):
    given = demo.get_config().to_dict()
    given["stages"]["pyramid"][field] = value
    with pytest.raises(UsageError, match=message):
        configs.from_config_dict(given)


def test_flatten_names_stages():
    config = configs.from_config_dict(demo.get_config())
    import json

    flat = manifest.flatten(json.loads(configs.to_json(config)))
    assert flat["stages.pyramid.paths"] == 3
    assert flat["data.tau"] == [10, 10]
