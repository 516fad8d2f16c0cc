"""Checkpoints: what is saved comes back, the newest first, the oldest are dropped."""

import numpy as np
import pytest

from stpn_jax.train import checkpoint
from stpn_jax.utils.errors import UsageError


def variables(value):
    return {
        "params": {"kernel": np.full((2, 3), value, np.float32)},
        "batch_stats": {},
        "sketches": {"h": np.arange(3, dtype=np.int32)},
    }


def progress(step):
    return {"step": np.array(step, np.int32), "opt_state": (np.ones(2, np.float32), ())}


def test_newest_comes_back_bit_for_bit(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, variables(step), progress(step))
    checkpoints.close()
    again = checkpoint.Checkpoints(tmp_path, keep=2)
    assert again.latest_step() == 3
    restored, state = again.restore(variables(0), progress(0))
    np.testing.assert_array_equal(restored["params"]["kernel"], np.full((2, 3), 3.0))
    assert restored["sketches"]["h"].dtype == np.int32
    assert int(state["step"]) == 3
    again.close()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.isdigit()) == ["2", "3"]
    alone = checkpoint.restore_variables(tmp_path)
    np.testing.assert_array_equal(alone["params"]["kernel"], np.full((2, 3), 3.0))


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_checkpoint_is_named(tmp_path, exists):
    folder = tmp_path / "run"
    if exists:
        folder.mkdir()
    with pytest.raises(UsageError, match=f"{folder.name}.*no checkpoint"):
        checkpoint.restore_variables(folder)


def damage(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:3])


def test_a_damaged_checkpoint_is_named(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path, keep=2)
    checkpoints.save(1, variables(1), progress(1))
    checkpoints.close()
    damage(tmp_path / "1")
    with pytest.raises(UsageError, match=r"/1: this checkpoint cannot be read.*delete"):
        checkpoint.restore_variables(tmp_path)
    again = checkpoint.Checkpoints(tmp_path, keep=2)
    with pytest.raises(UsageError, match=r"/1: this checkpoint cannot be read.*delete"):
        again.restore(variables(0), progress(0))
    again.close()


@pytest.mark.parametrize("content", ("", "{"))
def test_damaged_metrics_name_their_checkpoint(tmp_path, content):
    checkpoints = checkpoint.Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        checkpoints.save(step, variables(step), progress(step), 0.5)
    checkpoints.close()
    (tmp_path / "2" / "metrics" / "metrics").write_text(content)
    for read in (checkpoint.best_step, lambda path: checkpoint.Checkpoints(path, 2)):
        with pytest.raises(UsageError, match=r"/2: this checkpoint cannot be read"):
            read(tmp_path)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, capsys):
    folder = tmp_path / "checkpoints"
    checkpoints = checkpoint.Checkpoints(folder, keep=3)
    for step in (1, 2, 3):
        checkpoints.save(step, variables(step), progress(step))
    checkpoints.close()
    damage(folder / "3")
    damage(folder / "2")
    again = checkpoint.Checkpoints(folder, keep=3)
    restored, state = again.restore(variables(0), progress(0))
    assert int(state["step"]) == 1
    np.testing.assert_array_equal(restored["params"]["kernel"], np.ones((2, 3)))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "checkpoints/3: this checkpoint cannot be read" in lines[0]
    assert "resumes from step 1" in lines[0]
    assert again.latest_step() == 1
    again.save(2, variables(2), progress(2))
    again.close()
    assert checkpoint.newest_step(folder) == 2
    assert (tmp_path / "damaged_checkpoint_3").is_dir()


def test_the_best_is_kept_beside_the_newest(tmp_path):
    checkpoints = checkpoint.Checkpoints(tmp_path, keep=2)
    scores = {1: 0.2, 2: 0.7, 3: None, 4: 0.7, 5: 0.6, 6: None, 7: 0.1}
    for step, score in scores.items():
        checkpoints.save(step, variables(step), progress(step), score)
    checkpoints.close()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.isdigit()) == list("467")
    assert checkpoint.best_step(tmp_path) == (4, 0.7)
    best = checkpoint.restore_variables(tmp_path, 4)
    np.testing.assert_array_equal(best["params"]["kernel"], np.full((2, 3), 4.0))
    again = checkpoint.Checkpoints(tmp_path, keep=2)
    again.save(8, variables(8), progress(8), 0.9)
    again.close()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.isdigit()) == list("78")
    assert checkpoint.best_step(tmp_path) == (8, 0.9)


def test_without_scores_there_is_no_best(tmp_path):
    assert checkpoint.best_step(tmp_path / "absent") is None
    checkpoints = checkpoint.Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, variables(step), progress(step))
    checkpoints.close()
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.isdigit()) == ["2", "3"]
    assert checkpoint.best_step(tmp_path) is None
