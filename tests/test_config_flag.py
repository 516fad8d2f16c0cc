"""Arguments that set fields of a config, in every form that people give them."""

import pytest

from stpn_jax import config_flag, main
from stpn_jax.utils import errors
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
        (f"--config.seed={10**30}", r"config\.seed = 10{30}: expected at least 0 and"),
        ("--config.stages.pyramid.steps=1e999", r"--config\.stages\.pyramid\.steps=1"),
    ],
)
def test_a_wrong_field_is_named(override, message):
    with pytest.raises(UsageError, match=message):
        config_flag.load("configs/demo.py", [override])


def test_without_a_file_it_is_asked_for():
    with pytest.raises(UsageError, match="--config=FILE is needed"):
        config_flag.load(None, [])


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("raise SystemExit", "line 4: SystemExit"),
        ("import sys; sys.exit('no')", "line 4: SystemExit: no"),
        ("raise GeneratorExit", "line 4: GeneratorExit"),
        ("{}['key']", "line 4: KeyError: 'key'"),
        ("configs.demo.get_config('x')", "no variant 'x': expected one of"),
        ("int('one')", "line 4: ValueError: invalid literal"),
        ("lambda", "invalid syntax"),
    ],
)
@pytest.mark.parametrize("overrides", [[], ["--config.seed=3"]])
def test_an_error_in_a_users_file_is_one_line(statement, message, overrides, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"import configs.demo\n\ndef get_config():\n    {statement}\n")
    with pytest.raises(UsageError) as caught:
        config_flag.load(str(file), overrides)
    line = str(caught.value)
    assert line.startswith(f"--config={file}: ") and "\n" not in line
    assert message in line


def test_a_signal_while_a_file_is_read_is_no_error_of_it(tmp_path):
    (tmp_path / "mine.py").write_text(f"raise SystemExit({errors.PREEMPTED})\n")
    with pytest.raises(SystemExit):
        config_flag.load(str(tmp_path / "mine.py"), [])
