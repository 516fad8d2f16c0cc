"""Every backbone against stored outputs of other people's networks in torch.

The outputs are in tests/golden, made by golden/make.py; see reference/golden.py.
"""

import numpy as np
import pytest
from reference import closeness, golden, programs

from stpn_jax.models import backbones

# This package's own network, which nobody else has.
WITHOUT_ORACLE = {"tiny"}
ROWS = sorted(backbones.BACKBONES.keys() - WITHOUT_ORACLE)
# Layer by layer a ResNet compiles its few distinct layers once, whatever its depth.
NOT_JITTED = {row for row in ROWS if row.startswith("resnet")}


def test_every_golden_file_is_compared():
    assert sorted(path.stem for path in golden.FOLDER.glob("*.npz")) == ROWS


@pytest.mark.slow
@pytest.mark.parametrize("channels", golden.WIDTHS)
@pytest.mark.parametrize("row", ROWS)
def test_map_and_logits(row, channels):
    stored = golden.Golden.read(row)
    ours = golden.loaded(row, stored.state(channels))
    found = programs.evaluate(
        row, ours, stored.draw.images(channels), jit=row not in NOT_JITTED
    )
    samples = {k: stored.samples(f"{channels}/{k}", x) for k, x in found.items()}
    _check(samples)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("vgg16")])
def test_one_training_step(row):
    channels = golden.TRAINED_WIDTH
    stored = golden.Golden.read(row)
    ours = golden.loaded(row, stored.state(channels))
    after = golden.loaded(row, stored.state_after(channels))
    before = ours.variables["batch_stats"]
    jit = row not in NOT_JITTED
    found = programs.train(row, ours, stored.draw.images(channels), jit=jit)
    samples = {"map": stored.samples(f"{channels}/trained_map", found.pop("map"))}
    expected = programs.statistics_and_steps(before, after.variables["batch_stats"])
    for name, value in expected.items():
        sampled = ~np.isnan(value)
        samples[name] = found.pop(name)[sampled], value[sampled]
    assert not found
    _check(samples)


def _check(samples):
    found, expected = ({k: x[i] for k, x in samples.items()} for i in (0, 1))
    closeness.check(found, expected)
