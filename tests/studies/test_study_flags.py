"""What the command rejects, before anything is trained or overwritten."""

import argparse

import pytest
from etils import epath

from stpn_jax.utils.errors import UsageError
from studies import __main__ as command
from studies import report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.seed=7"], "--config.seed=7: the study sets that for each run"),
        (["--config.model.sketch_seed=3"], "sketch_seed=3: the study sets"),
        (["--choose=../x"], "--choose: expected letters"),
        (["--only=a"], "--only: 'a': expected some of parts"),
        (["--choose=."], "--choose: expected letters"),
        (["--choose=a", "--tables"], "--tables: not allowed with"),
        (["--tables", "--only=parts"], "--tables writes all results"),
        (["--tables", "--config.stages.pyramid.steps=3"], "--tables writes all"),
        (["--brief", "--seeds=2"], "--seeds: not allowed with"),
        (["--brief", "--choose=a"], "--choose: not allowed with"),
        (["--workdir="], "argument --workdir: expected a path, found nothing"),
        (["--report=/dev/null"], "--report=/dev/null: not a file"),
        (["--report=nowhere/R.md"], "--report=nowhere/R.md: its folder does not exist"),
    ],
)
def test_a_study_rejects(arguments, message, tmp_path):
    with pytest.raises(UsageError, match=message.replace(".", r"\.")):
        command.main(["made", f"--results={tmp_path}", *arguments])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--brief", "recipes is a hyperparameter search: no --brief"),
        ("--choose=a", "recipes is a hyperparameter search: no --brief, no --choose"),
        ("--config.data.validation_fold=0", "the study sets that for each run"),
        ("--config.data.validation_fraction=0.5", "the study sets that"),
    ],
)
def test_a_search_rejects(argument, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        command.main(["recipes", f"--results={tmp_path}", argument])


@pytest.mark.parametrize("name", ("operator", "products"))
@pytest.mark.parametrize("place", ("", "file"))
def test_places_for_results_that_cannot_be_made_are_rejected(name, place, tmp_path):
    if place:
        place = tmp_path / place
        place.write_text("")
    with pytest.raises(UsageError, match="--results"):
        command.main([name, f"--results={place}", f"--report={tmp_path}/R.md"])


def test_a_folder_that_cannot_be_written_to_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # Root may write everywhere.
    with pytest.raises(UsageError, match=f"--results={tmp_path}: it cannot be written"):
        command.main(["made", f"--results={tmp_path}"])


def test_stages_that_no_variant_has_are_rejected_by_the_products(tmp_path):
    places = [f"--results={tmp_path}", f"--report={tmp_path}/R.md"]
    with pytest.raises(UsageError, match="no variant has that stage"):
        command.main(["products", *places, "--config.stages.pyramid.steps=3"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- made/parts -->\n", r"R\.md: it lacks the <!-- end -->"),
        ("<!-- made/parts -->\n<!-- end -->\n" * 2, r"R\.md: it has .* twice"),
    ],
)
def test_a_report_that_cannot_be_written_is_rejected_before_training(
    text, message, tmp_path
):
    (tmp_path / "R.md").write_text(text)
    with pytest.raises(UsageError, match=message):
        command.main(["made", f"--results={tmp_path}", f"--report={tmp_path}/R.md"])
    assert (tmp_path / "R.md").read_text() == text


@pytest.mark.parametrize("name", ("operator", "products", "made"))
@pytest.mark.parametrize("seeds", ("-1", "0"))
def test_numbers_of_seeds_that_make_no_table_are_rejected(name, seeds, tmp_path):
    with pytest.raises(UsageError, match="--seeds: expected a whole number from 1"):
        command.main([name, f"--seeds={seeds}", f"--results={tmp_path}"])


def test_splits_that_are_no_numbers_are_rejected():
    with pytest.raises(UsageError, match="--splits: expected a whole number from 1"):
        command.main(["table7", "--config=configs/ucf101.py", "--splits=1,x"])


def test_the_help_of_a_papers_table_lists_its_variants(capsys):
    with pytest.raises(SystemExit):
        command.main(["table6", "--help"])
    assert "table6_a, table6_b" in capsys.readouterr().out


def test_other_results_have_a_report_of_their_own(tmp_path):
    def path(results, report_file=""):
        options = argparse.Namespace(results=results, report=report_file)
        return str(report.path_of(options))

    assert path("results") == "RESULTS.md"
    assert path(f"{tmp_path}") == f"{tmp_path}/RESULTS.md"
    assert path(f"{tmp_path}", "R.md") == "R.md"


@pytest.mark.parametrize("data", ([], ["--data=X"]))
@pytest.mark.parametrize("name", ("made", "products"))
def test_tables_of_results_that_are_not_there_are_rejected(name, data, tmp_path):
    with pytest.raises(UsageError, match="no results are there yet"):
        command.main([name, "--tables", *data, f"--results={tmp_path}/none"])
    assert not (tmp_path / "none").exists()


def test_a_report_behind_a_link_is_written_through_it(tmp_path):
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("By hand.\n")
    link.symlink_to(target)
    found = report.check(epath.Path(link))
    report.Output("study", found.parent / "study", found).write({"table": "| a |\n"})
    assert link.is_symlink() and "| a |" in target.read_text()


def test_a_report_in_another_encoding_is_left_alone(tmp_path):
    path = tmp_path / "R.md"
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(UsageError, match=r"R\.md: .*utf-8"):
        report.check(epath.Path(path), ["part/table"])
    assert path.read_bytes() == b"caf\xe9\n"
