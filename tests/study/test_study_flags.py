"""What the doors of the study refuse, before anything is trained or overwritten."""

import pytest
from etils import epath

from stpn_jax.errors import UsageError
from stpn_jax.study import __main__ as study
from stpn_jax.study import approximation, products, results


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config.seed=7"], "--config.seed=7: the study gives each row its own"),
        (["--config.model.sketch_seed=3"], "sketch_seed=3: the study gives"),
        (["--choose=../x"], "--choose=../x: expected letters"),
        (["--choose=."], "--choose=.: expected letters"),
        (["--choose=a", "--tables"], "--tables trains nothing"),
        (["--report=/dev/null"], "--report=/dev/null: not a file"),
        (["--report=nowhere/R.md"], "--report=nowhere/R.md: its folder"),
    ],
)
def test_the_study_refuses(arguments, told):
    with pytest.raises(UsageError, match=told.replace(".", r"\.")):
        study.main(["made", *arguments])


@pytest.mark.parametrize("door", (approximation, products))
def test_numbers_of_seeds_that_make_no_table_are_refused(door, tmp_path):
    with pytest.raises(UsageError, match="--seeds=-1"):
        door.main(["--seeds=-1", f"--report={tmp_path}/R.md"])


def test_a_report_behind_a_link_is_written_through_it(tmp_path):
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("By hand.\n")
    link.symlink_to(target)
    results.write(results.check(epath.Path(link)), "part/table", "| a |\n")
    assert link.is_symlink() and "| a |" in target.read_text()


def test_a_report_in_another_encoding_is_left_alone(tmp_path):
    path = tmp_path / "R.md"
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(UsageError, match=r"R\.md: not a text file in UTF-8"):
        results.write(epath.Path(path), "part/table", "| a |\n")
    assert path.read_bytes() == b"caf\xe9\n"
