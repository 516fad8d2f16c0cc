"""Flags of several values, in every form that people give them."""

import pytest

from stpn_jax import config_flag
from stpn_jax.utils.errors import UsageError


@pytest.mark.parametrize(
    "given",
    [
        ["--runs", "a", "b", "c", "--out=x"],
        ["--runs=a,b,c", "--out=x"],
        ["--out=x", "--runs=a", "--runs=b", "--runs=c"],
        ["--runs", "a", "--out=x", "--runs", "b", "c"],
        ["--runs=a", "--runs", "b", "c", "--out=x"],
    ],
)
def test_all_forms_mean_the_same(given):
    found = config_flag.join_values(["main", *given], "--runs")
    assert found == ["main", "--out=x", "--runs=a,b,c"]


@pytest.mark.parametrize(
    "given",
    [["main", "stray", "--out", "x"], ["main", "--mode=compare"], ["main", "--runs"]],
)
def test_without_values_nothing_is_joined(given):
    expected = [one for one in given if one != "--runs"]
    assert config_flag.join_values(given, "--runs") == expected


def test_a_stray_argument_after_another_flag_stays_one():
    found = config_flag.join_values(["main", "--runs", "a", "--v=1", "b"], "--runs")
    assert found == ["main", "--v=1", "b", "--runs=a"]


def test_a_field_without_a_value_is_named():
    with pytest.raises(UsageError, match=r"Missing value for flag --config\.seed"):
        config_flag.load("configs/demo.py", ["--config.seed"])
