"""Configs are checked in full when they are read."""

import dataclasses
import warnings

import ml_collections
import pytest

from configs import demo, variants
from stpn_jax import config as configs
from stpn_jax import config_facts, config_flag
from stpn_jax.utils import manifest, strict
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
    del given["data"]["dataset"]
    with pytest.raises(UsageError, match=r"config.data.*dataset.*missing"):
        configs.from_config_dict(given)


def test_a_field_that_a_file_lacks_has_its_default():
    given = demo.get_config().to_dict()
    del given["run"], given["model"]["head"]
    config = configs.from_config_dict(given)
    assert (config.run, config.model.head) == (configs.RunConfig(), "new")


@dataclasses.dataclass(frozen=True)
class Later:
    """A section to which a field was added that changes what the code does."""

    old: int = 1
    new: str = dataclasses.field(default="b", metadata={"absent": "a"})


def test_a_file_from_before_a_field_means_what_the_code_did_then():
    assert strict.parse(Later, {"old": 2}, "config") == Later(2, "a")
    assert strict.parse(Later, {"new": "b"}, "config") == Later(1, "b")


def test_earlier_names_are_read_with_a_warning():
    given = demo.get_config().to_dict()
    stage = given["stages"]["pyramid"]
    stage["drops"] = stage.pop("lr_milestones")
    with pytest.warns(FutureWarning, match="pyramid.drops is now called lr_milestones"):
        config = configs.from_config_dict(given)
    assert config == configs.from_config_dict(demo.get_config())
    stage["lr_milestones"] = (1,)
    with (
        pytest.warns(FutureWarning),
        pytest.raises(UsageError, match="has both drops and lr_milestones"),
    ):
        configs.from_config_dict(given)


def test_a_users_file_may_use_earlier_names():
    config = demo.get_config()
    with pytest.warns(FutureWarning):
        config.stages.pyramid.update(drops=(3,), clip=7.0)
        config.run.device_batch = 4
        assert config.stages.pyramid.multipliers == ()
    parsed = configs.from_config_dict(config)
    assert parsed.stages[2].lr_milestones == (3,)
    assert (parsed.stages[2].max_grad_norm, parsed.run.microbatch_size) == (7.0, 4)


def test_flags_may_use_earlier_names():
    flags = ["--config.stages.pyramid.drops=(3,)", "--config.run.device_batch=4"]
    flags += ["--config.stages.pyramid.cached_views=2", "--config.evaluation.views=1"]
    with pytest.warns(FutureWarning):
        parsed = config_flag.load("configs/demo.py", flags)
    assert parsed.stages[2].lr_milestones == (3,)
    assert parsed.run.microbatch_size == 4
    assert (parsed.stages[2].cached_crops, parsed.evaluation.crops) == (2, 1)


def test_what_an_earlier_version_wrote_is_upgraded():
    config = configs.from_config_dict(demo.get_config())
    written = config_facts.facts(config) | {"init_from": ""}
    for stage in written["stages"]:
        stage["multipliers"] = stage.pop("lr_multipliers")
        del stage["cached_crops"]
    written["evaluation"]["views"] = written["evaluation"].pop("crops")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # The user did not write that file.
        found = config_facts.upgraded(written, "run/config.json")
    assert found == config_facts.facts(config) | {"init_from": ""}


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
        ("evaluation", "crops", 3),
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
        ("max_grad_norm", float("inf"), "at most 1000000000"),
        ("steps", 2**31, "at most 2147483647"),
        ("learning_rate", -1.0, "at least"),
        ("steps", -1, "at least 0"),
        ("paths", 0, "paths = 0"),
        ("init", ("spatial", "later"), "'later' is not the name of a stage before"),
        ("lr_multipliers", (("(", 1.0),), "lr_multipliers"),
    ],
)
def test_stages_are_checked(field, value, message):
    given = demo.get_config().to_dict()
    given["stages"]["pyramid"][field] = value
    with pytest.raises(UsageError, match=message):
        configs.from_config_dict(given)


def test_flatten_names_stages():
    config = configs.from_config_dict(demo.get_config())
    flat = manifest.flatten(config_facts.facts(config))
    assert flat["stages.pyramid.paths"] == 3
    assert flat["data.tau"] == [10, 10]


def test_only_fields_are_renamed_not_stages():
    config = demo.get_config()
    config.stages["clip"] = variants.stage(
        **{**config.stages.pyramid, "init": ("pyramid",)}
    )
    parsed = configs.from_config_dict(config)
    assert [stage.name for stage in parsed.stages][-1] == "clip"


def test_a_plain_config_dict_may_replace_a_section():
    config = demo.get_config()
    kept = {name: config.stages[name] for name in ("temporal", "spatial")}
    config.stages = ml_collections.ConfigDict(kept, sort_keys=False)
    config.model.pyramid = ml_collections.ConfigDict({"kind": "sum", "width": 8})
    parsed = configs.from_config_dict(config)
    assert [stage.name for stage in parsed.stages] == ["temporal", "spatial"]
    assert parsed.model.pyramid == configs.FusionConfig("sum", 8)


def test_a_stage_without_its_schedule_is_rejected():
    config = demo.get_config()
    config.stages["second"] = variants.stage(network="temporal", paths=1)
    with pytest.raises(
        UsageError, match=r"stages.*: the fields steps, batch.* missing"
    ):
        configs.from_config_dict(config)
