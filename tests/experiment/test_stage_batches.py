"""A stage over cached maps: frozen streams, the same scores, batches from any step."""

import dataclasses
import threading

import jax
import numpy as np
import pytest
from etils import epath

from configs import demo
from stpn_jax import config as configs
from stpn_jax import parallel, preemption
from stpn_jax.datasets import official_splits
from stpn_jax.experiment import (
    checkpoint_selection,
    evaluate,
    export,
    initialize,
    run_dir,
    setup,
    stage_batches,
    train,
)
from stpn_jax.experiment.setup import Experiment
from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import PreemptedError, UsageError
from tests.reference import grey_records

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TRAIN, TEST = np.arange(6), np.arange(6, 9)


def config(**changes):
    made = demo.get_config()
    made.data.update(
        size=grey_records.SIZE, crop_size=32, crop_scales=(1.0, 0.75), input_size=24
    )
    made.data.update(flow_length=4, tau=(1, 3))
    for level in (made.model.temporal, made.model.attention, made.model.pyramid):
        level.width = 16
    made.stages = {"pyramid": made.stages.pyramid}
    made.stages.pyramid.update(
        init=(), steps=6, batch=4, lr_milestones=(), batch_norm="frozen", cached_crops=3
    )
    made.stages.pyramid.update(changes)
    made.evaluation.update(snippets=2, crops=2, frames=3, batch=2)
    made.run.update(checkpoint_every=3, validate_every=0)
    return configs.from_config_dict(made)


@pytest.fixture
def experiment(tmp_path):
    folder = epath.Path(tmp_path)
    split = official_splits.Split(TRAIN, np.arange(0), TEST)
    made = Experiment(config(), folder, grey_records.Dataset(9), split, "", folder)
    stage_batches.folder(made).mkdir()
    return made


def stage_of(experiment, **changes):
    return dataclasses.replace(experiment.config.stages[0], **changes)


@pytest.mark.slow
def test_levels_are_trained_and_streams_are_not(experiment):
    stage = stage_of(experiment)
    before = initialize.initial_variables(experiment, stage)
    train.train_stage(experiment, stage)
    after = checkpoint.restore_variables(
        run_dir.checkpoints(experiment.folder(stage)), stage.steps
    )
    for stream in ("spatial", "temporal"):
        for kind in ("params", "batch_stats"):
            jax.tree.map(
                np.testing.assert_array_equal, before[kind][stream], after[kind][stream]
            )
    for level in ("attention", "classifier"):
        moved = jax.tree.map(
            lambda a, b: np.abs(a - b).max(),
            before["params"][level],
            after["params"][level],
        )
        assert all(value > 0 for value in jax.tree.leaves(moved))


@pytest.mark.parametrize(
    "network", [{}, {"network": "temporal"}, {"network": "attended", "paths": 1}]
)
def test_maps_give_the_scores_of_pixels(experiment, network):
    stage = stage_of(experiment, **network)
    variables = initialize.initial_variables(experiment, stage)
    evaluation = experiment.config.evaluation
    scores = [
        evaluate.make_scorer(experiment, one, TEST, evaluation)(
            parallel.replicate(variables)
        )
        for one in (stage, dataclasses.replace(stage, cached_crops=0))
    ]
    assert scores[0].std(axis=0).max() > 1e-6  # The videos differ.
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-5)


def test_test_crops_of_another_size_become_the_input(experiment):
    evaluation = experiment.config.evaluation
    data = dataclasses.replace(experiment.config.data, test_crop=16)
    other = dataclasses.replace(experiment.config, data=data)
    other = dataclasses.replace(experiment, config=other)
    stage = stage_of(experiment, cached_crops=0)
    maps = []
    for one in (experiment, other):
        variables = initialize.initial_variables(one, stage)
        batch = next(stage_batches.test_batches(one, stage, {}, TEST, evaluation))
        side = export.preprocessing(one, stage).input_size
        assert batch.rgb.shape[-2:] == batch.flow.shape[-2:] == (side, side)
        network = setup.build_network(one, stage, training=False)
        maps.append(network.apply(variables, batch, method="feature_maps"))
    assert side == 16
    assert [x.shape for x in jax.tree.leaves(maps[0])] == [
        x.shape for x in jax.tree.leaves(maps[1])
    ]


def test_batches_resume_at_any_step_and_cover_all_crops(experiment):
    stage = stage_of(experiment, steps=10)
    variables = initialize.initial_variables(experiment, stage)
    whole = list(stage_batches.train_batches(experiment, stage, variables, 0))
    rest = list(stage_batches.train_batches(experiment, stage, variables, 7))
    assert (len(whole), len(rest)) == (10, 3)
    for one, other in zip(whole[7:], rest, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)
    # 3 crops of 6 videos are 18, in 5 batches of 4: two more are of the next round.
    first = np.concatenate([batch.video for batch in whole[:5]])
    assert sorted(np.bincount(first)) in ([3, 3, 3, 3, 4, 4], [3, 3, 3, 3, 3, 5])
    second = np.concatenate([batch.video for batch in whole[5:]])
    assert sorted(first) == sorted(second) and first.tolist() != second.tolist()


def test_other_streams_get_their_own_maps(experiment):
    stage = stage_of(experiment)
    variables = initialize.initial_variables(experiment, stage)
    list(stage_batches.train_batches(experiment, stage, variables, 5))
    made = set(stage_batches.folder(experiment).iterdir())
    assert len(made) == 1
    list(stage_batches.train_batches(experiment, stage, variables, 3))
    assert set(stage_batches.folder(experiment).iterdir()) == made
    again = initialize.initial_variables(
        dataclasses.replace(
            experiment, config=dataclasses.replace(experiment.config, seed=1)
        ),
        stage,
    )
    list(stage_batches.train_batches(experiment, stage, again, 5))
    assert len(set(stage_batches.folder(experiment).iterdir())) == len(made) + 1


def test_levels_can_be_trained_on_the_validation_part(experiment):
    stage = stage_of(experiment, trained_on="validation")
    split = official_splits.Split(TRAIN[:4], TRAIN[4:], TEST)
    made = dataclasses.replace(
        experiment,
        split=split,
        config=dataclasses.replace(experiment.config, stages=(stage,)),
    )
    variables = initialize.initial_variables(made, stage)
    for one in (stage, dataclasses.replace(stage, cached_crops=0)):
        batches = stage_batches.train_batches(made, one, variables, 0)
        seen = np.concatenate([batch.video for batch in batches])
        assert set(seen.tolist()) == set(TRAIN[4:].tolist())
    assert made.seen.tolist() == TRAIN[4:].tolist()
    # Nothing is left to be scored on.
    assert train.make_validation(made, stage)(None) is None
    with pytest.raises(UsageError, match="select = 'best'"):
        checkpoint_selection.check(
            dataclasses.replace(
                made,
                config=dataclasses.replace(
                    made.config, stages=(dataclasses.replace(stage, select="best"),)
                ),
            )
        )


def test_the_forecast_counts_the_maps(experiment):
    stage = stage_of(experiment)
    maps = 3 * len(TRAIN) * (1 + stage.paths) * 3 * 3 * 64 * 2
    assert stage_batches.bytes_of(experiment, stage) == maps
    # The stem alone has 2 * 2 * c * 16 products a place; the whole network has more.
    stem = 12 * 12 * 16 * 4 * (3 + stage.paths * 2 * 4)
    operations = stage_batches.operations_of(experiment, stage)
    assert 2 * stem < operations / (3 * len(TRAIN)) < 100 * stem
    assert (
        stage_batches.operations_of(experiment, stage_of(experiment, cached_crops=0))
        == 0
    )
    assert "of disk" in train.forecast(experiment)


def test_several_hosts_are_rejected(experiment, monkeypatch):
    monkeypatch.setattr(parallel, "host", lambda: (0, 2))
    with pytest.raises(UsageError, match=r"pyramid.cached_crops = 3.*one process"):
        stage_batches.check(experiment)


def test_sigterm_ends_the_computation_of_maps(experiment, monkeypatch):
    monkeypatch.setattr(preemption, "_SIGNALLED", signalled := threading.Event())
    stage = stage_of(experiment)
    variables = initialize.initial_variables(experiment, stage)
    signalled.set()
    with pytest.raises(PreemptedError):
        next(stage_batches.train_batches(experiment, stage, variables, 0))
    signalled.clear()
    assert (
        next(stage_batches.train_batches(experiment, stage, variables, 0)).video.size
        == 4
    )


def test_a_stage_without_videos_is_rejected_at_the_start(experiment):
    stage = stage_of(experiment, trained_on="validation")
    config = dataclasses.replace(experiment.config, stages=(stage,))
    with pytest.raises(UsageError, match=r"no validation videos; see config\.data"):
        checkpoint_selection.check(dataclasses.replace(experiment, config=config))
