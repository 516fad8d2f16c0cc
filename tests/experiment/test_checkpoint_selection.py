"""The last checkpoint or the best in validation, as a stage's config says."""

import dataclasses
import types

import numpy as np
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax.experiment import checkpoint_selection, run_dir
from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import UsageError

CONFIG = configs.from_config_dict(demo.get_config())


def experiment(folder, scores, select="last", validation=3):
    """Something with the attributes that count here, and its stage."""
    stage = dataclasses.replace(CONFIG.stages[0], select=select)
    made = types.SimpleNamespace(
        config=dataclasses.replace(CONFIG, stages=(stage,)),
        split=types.SimpleNamespace(validation=np.arange(validation)),
        videos=lambda stage: np.arange(3, 9),
        folder=lambda stage: folder / stage.name,
    )
    checkpoints = checkpoint.Checkpoints(run_dir.checkpoints(made.folder(stage)), 5)
    for step, score in scores.items():
        checkpoints.save(
            step, {"params": {"w": np.full(2, step)}}, {"step": np.array(step)}, score
        )
    checkpoints.close()
    return made, stage


SCORES = {1: 0.5, 2: 0.75, 3: None, 4: 0.25}


@pytest.mark.parametrize(
    ("select", "step", "said"),
    [
        ("last", 4, "step 4, the last"),
        ("best", 2, "step 2, the best in validation (75.0 % mean class accuracy)"),
    ],
)
def test_the_checkpoint_is_the_one_asked_for(tmp_path, select, step, said):
    made, stage = experiment(tmp_path, SCORES, select)
    assert str(checkpoint_selection.find(made, stage)) == said
    restored = checkpoint_selection.restore(made, stage)
    np.testing.assert_array_equal(restored["params"]["w"], [step, step])


def test_the_best_needs_a_score(tmp_path):
    made, stage = experiment(tmp_path, {1: None}, "best")
    with pytest.raises(UsageError, match="spatial with a validation score; train it"):
        checkpoint_selection.find(made, stage)


def test_the_best_needs_validation_videos(tmp_path):
    made, _ = experiment(tmp_path, {}, "best", validation=0)
    with pytest.raises(UsageError, match=r"spatial.select = 'best'.*validation_frac"):
        checkpoint_selection.check(made)
