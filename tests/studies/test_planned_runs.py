"""Which networks the study trains, and which it trains once for several tables."""

import dataclasses
import functools

import numpy as np
import pytest
from etils import epath

from stpn_jax.datasets import official_splits
from stpn_jax.experiment import run_dir, setup
from studies import runs
from studies.result_store import Facts
from studies.tables import STUDIES
from tests.reference import grey_records


@functools.cache
def plan(name, *overrides):
    return runs.plan_study(STUDIES[name], epath.Path("runs"), overrides)


def repeat(run):
    return run.config.seed, run.config.model.sketch_seed


@pytest.fixture(scope="module", params=list(STUDIES))
def planned(request):
    return STUDIES[request.param], plan(request.param)


def test_every_row_has_all_its_runs(planned):
    study, found = planned
    for name, table in study.tables.items():
        mine = [one for one in found if one.table == name]
        count = max(table.seeds, table.sketches) * max(study.folds, 1)
        assert len(mine) == count * len(table.rows)
        columns = {(one.fold, name) for one in mine for name in one.columns.values()}
        assert len(columns) == sum(count * len(row.results) for row in table.rows)
        for one in mine:
            stages = {stage.name for stage in one.config.stages}
            assert {s for result in one.row.results for s in result} <= stages


def test_a_workdir_is_of_one_config_and_a_config_has_one_workdir(planned):
    _, found = planned
    pairs = {(one.directory, one.config) for one in found}
    assert len(pairs) == len({d for d, _ in pairs}) == len({c for _, c in pairs})


def test_streams_are_those_of_one_seed(planned):
    _, found = planned
    for one in found:
        assert one.config.seed == one.config.seed
        assert one.streams.parent == one.directory.parent
    shared = [one for one in found if one.row.variant.startswith("table")]
    assert len({one.streams for one in shared}) == len(
        {one.config.seed for one in shared}
    )


def test_a_fold_scores_its_own_part_with_seeds_and_streams_of_its_own():
    found = plan("recipes")
    assert {(one.fold, one.config.seed) for one in found} == {
        (fold, seed) for fold in range(3) for seed in (1000, 1001)
    }
    for one in found:
        assert one.config.data.validation_fold == one.fold
        assert one.config.data.validation_fraction == 0.25
        assert one.streams == one.directory
    assert len({one.directory for one in found}) == len(found)


def opened(run):
    """Of nine videos four are trained on, four held out, and one is for the test."""
    parts = np.arange(4), np.arange(4, 8), np.arange(8, 9)
    dataset, split = grey_records.Dataset(9), official_splits.Split(*parts)
    directory = run.directory
    return setup.Experiment(run.config, directory, dataset, split, "", directory)


def test_a_fold_sees_no_test_video_and_no_class_that_is_kept_out(monkeypatch):
    """By hand: the second class has 1, 4 and 7."""
    run = dataclasses.replace(plan("recipes")[0], without=("two",))
    monkeypatch.setattr(setup, "open_experiment", lambda *_: opened(run))
    found = runs.open_run(run, validates=True).split
    assert found.train.tolist() == [0, 2, 3]
    assert found.test.tolist() == [5, 6]
    assert found.validation.tolist() == []


def test_a_run_of_a_fold_leaves_its_predictions_alone(monkeypatch, tmp_path):
    run = plan("recipes")[0]
    run = dataclasses.replace(run, directory=epath.Path(tmp_path) / "run")
    trained = []

    def train(experiment, report):
        trained.append(experiment)
        (run.directory / "spatial").mkdir()
        (run.directory / "results.json").write_text("{}")

    tested = run_dir.Tested(
        ["v"], np.array([0]), ["x"], {"groups": {}}, "", {"spatial": np.eye(1)}
    )
    monkeypatch.setattr(runs.train, "train", train)
    monkeypatch.setattr(run_dir, "read_tested", lambda _: tested)
    monkeypatch.setattr(runs, "facts_of", lambda _: Facts("c", "v"))
    for _ in range(2):
        runs._train(run, opened(run), epath.Path(tmp_path) / "results")
    assert len(trained) == 1
    assert list(run.directory.iterdir()) == []
    assert (tmp_path / "results" / "fold0" / "image.csv").exists()


def test_table3s_last_row_and_table6s_b_are_trained_once():
    found = plan("hmdb51")
    places = {one.row.variant: one.directory for one in found if repeat(one) == (0, 0)}
    assert places["table3_stcb4096"] == places["table6_b"]
    assert places["table3_average"] == places["table6_a"]


def test_overrides_reach_the_rows_that_have_the_stage():
    found = plan("hmdb51", "--config.stages.paths.steps=7")
    steps = {
        stage.steps
        for one in found
        for stage in one.config.stages
        if stage.name == "paths"
    }
    assert steps == {7}


@pytest.mark.parametrize("name", [n for n, one in STUDIES.items() if not one.folds])
def test_a_brief_study_has_all_fusions_and_a_few_updates_of_a_small_backbone(name):
    found = plan(name)
    brief = runs.plan_study(STUDIES[name], epath.Path("runs"), [], 1, brief=True)
    repeats = {repeat(one) for one in brief}
    small = {"backbone": "tiny", "weights": "none", "flow_weights": ""}
    assert [one.config.model for one in brief] == [
        dataclasses.replace(one.config.model, **small)
        for one in found
        if repeat(one) in repeats
    ]
    for one in brief:
        assert {(stage.steps, stage.batch) for stage in one.config.stages} == {(4, 8)}


def test_streams_trained_in_another_way_have_a_folder_of_their_own():
    def streams(*overrides):
        found = plan("ucf101", *overrides)
        return {one.streams for one in found if repeat(one) == (0, 0)}

    usual = streams("--config.stages.pyramid.dropout=0.5")
    assert usual == streams() and len(usual) == 1
    other = streams("--config.stages.spatial.dropout=0.3")
    assert len(other) == 1 and other != usual
