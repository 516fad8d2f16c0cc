"""Arguments that set fields of a config, in every form that people give them."""

import pytest

from stpn_jax import config_flag, main
from stpn_jax.utils.errors import UsageError


@pytest.mark.parametrize(
    "given",
    [
        ["--runs", "a", "b", "c", "--out=x"],
        ["--runs=a,b,c", "--out", "x"],
        ["--out=x", "--runs=a", "--runs=b", "--runs=c"],
        ["--runs", "a", "--out=x", "--runs", "b", "c"],
        ["--runs=a", "--runs", "b", "c", "--out=x"],
    ],
)
def test_all_forms_of_runs_mean_the_same(given):
    options = main._parser("main").parse_args(given)
    assert (options.runs, options.out) == (["a", "b", "c"], "x")


def test_fields_are_split_from_the_other_arguments():
    given = ["--config=f.py", "--config.a.b", "-1", "--workdir", "w", "--config.c=2"]
    rest, overrides = config_flag.split([*given, "stray", "--config.d"])
    assert rest == ["--config=f.py", "--workdir", "w", "stray"]
    assert overrides == ["--config.a.b=-1", "--config.c=2", "--config.d"]


@pytest.mark.parametrize("form", ["=false", "=False"])
def test_a_boolean_is_set_by_its_value(form):
    config = config_flag.load("configs/demo.py", [f"--config.data.flip{form}"])
    assert config.data.flip is False


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.seed", r"--config\.seed: expected a value, as --config\.seed=VALUE"),
        ("--config.stages.pyramid.stepz=1", "pyramid.stepz: no such field; did"),
        ("--config.stages.pyramid.steps=-1", r"config\.stages\.pyramid\.steps = -1: "),
    ],
)
def test_a_wrong_field_is_named(override, message):
    with pytest.raises(UsageError, match=message):
        config_flag.load("configs/demo.py", [override])


def test_without_a_file_it_is_asked_for():
    with pytest.raises(UsageError, match="--config=FILE is needed"):
        config_flag.load(None, [])
