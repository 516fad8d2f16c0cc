"""Every backbone against what other people's networks in torch gave, without torch.

tests/golden has the answers, golden/make.py made them, reference/golden.py explains.
"""

import numpy as np
import pytest
from reference import closeness, golden, programs

from stpn_jax.models import backbones

# A toy of this package, which nobody else has.
WITHOUT_ORACLE = {"tiny"}
ROWS = sorted(backbones.BACKBONES.keys() - WITHOUT_ORACLE)
# Layer by layer a ResNet compiles its few distinct layers once, whatever its depth.
NOT_JITTED = {row for row in ROWS if row.startswith("resnet")}


def test_every_golden_file_is_compared():
    assert sorted(path.stem for path in golden.FOLDER.glob("*.npz")) == ROWS


@pytest.mark.parametrize("channels", golden.WIDTHS)
@pytest.mark.parametrize("row", ROWS)
def test_map_and_logits(row, channels):
    answers = golden.Golden.read(row)
    ours = golden.pretrained(row, answers.state(channels))
    found = programs.evaluate(
        row, ours, answers.draw.images(channels), jit=row not in NOT_JITTED
    )
    samples = {k: answers.samples(f"{channels}/{k}", x) for k, x in found.items()}
    _check(samples)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("vgg16")])
def test_one_training_step(row):
    channels = golden.TRAINED_WIDTH
    answers = golden.Golden.read(row)
    ours = golden.pretrained(row, answers.state(channels))
    after = golden.pretrained(row, answers.state_after(channels))
    before = ours.variables["batch_stats"]
    jit = row not in NOT_JITTED
    found = programs.train(row, ours, answers.draw.images(channels), jit=jit)
    samples = {"map": answers.samples(f"{channels}/trained_map", found.pop("map"))}
    expected = programs.statistics_and_steps(before, after.variables["batch_stats"])
    for name, value in expected.items():
        sampled = ~np.isnan(value)
        samples[name] = found.pop(name)[sampled], value[sampled]
    assert not found
    _check(samples)


def _check(samples):
    found, expected = ({k: x[i] for k, x in samples.items()} for i in (0, 1))
    closeness.check(found, expected)
