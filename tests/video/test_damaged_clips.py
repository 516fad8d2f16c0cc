"""More than two hundred damaged files: none ends the program, none is lost silently."""

import collections
import json
import pathlib
import subprocess
import sys

import pytest
from reference import videos

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for number, size in enumerate([(64, 48), (96, 80), (80, 64), (128, 96)]):
        videos.write(folder / f"{number}.avi", videos.frames(20 + number, size))
    command = [sys.executable, "-m", "benchmarks.damaged_clips", f"--clips={folder}"]
    command += ["--count=4", "--containers", ".avi", ".mp4", ".mkv"]
    command += [f"--json={folder / 'outcomes.json'}"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    return json.loads((folder / "outcomes.json").read_text())


def test_there_are_enough(outcomes):
    assert len(outcomes) > 200
    assert len({damage for _, damage, _, _ in outcomes}) > 15


def test_every_outcome_is_reported(outcomes):
    kinds = collections.Counter(kind for _, _, kind, _ in outcomes)
    assert not kinds.keys() & {"crash", "hang"}
    assert kinds["skipped"] > 50
    assert kinds["warned"] > 50
    assert all(reason for _, _, kind, reason in outcomes if kind != "whole")


def test_next_to_nothing_is_lost_silently(outcomes):
    """A flipped bit may give other pixels that are as valid.

    Frames hardly go: Matroska is read on from the next whole cluster without a word.
    What an encoder writes, and so what is hit, depends on the processor.
    """
    silent = [outcome for outcome in outcomes if outcome[2] == "silent"]
    assert len(silent) <= 0.03 * len(outcomes), silent
    lost = [outcome for outcome in silent if "differ" not in outcome[3]]
    assert len(lost) <= 0.01 * len(outcomes), lost
    assert all(clip.endswith(".mkv") for clip, *_ in lost), lost


@pytest.mark.parametrize("damage", ["empty", "all zeros", "cut to 0.1%"])
def test_nothing_is_read_from_nothing(outcomes, damage):
    assert {kind for _, name, kind, _ in outcomes if name == damage} == {"skipped"}
