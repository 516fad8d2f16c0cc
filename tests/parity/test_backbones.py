"""Every backbone against the same network by other people, through people's files."""

import dataclasses
import functools
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import pytest
from reference import closeness, programs, random_weights

from stpn_jax.weights import pretrained

torch = pytest.importorskip("torch", reason="bash launch/test.sh --with-torch has it")
from parity import files, oracles  # noqa: E402

pytestmark = pytest.mark.exhaustive

IMAGE, FLOW = 3, 20  # channels
# All strided layers of a network halve even sides, or all halve odd ones.
EVEN, ODD = 96, 97  # pixels
NUMBER = 3  # images in a batch
SEED = 3
HIDDEN = re.compile(r"(classifier\.\d|pre_logits|head)\.")


class Case(NamedTuple):
    """A row of BACKBONES, its oracle and a file format."""

    row: str
    oracle: Callable[[int], oracles.Oracle]
    write: files.Writer


CASES = {
    "resnet50": Case("resnet50", oracles.ORACLES["resnet50"], files.pth),
    "resnet50_timm": Case(
        "resnet50", functools.partial(oracles.timm_network, "resnet50"), files.safe
    ),
    "resnet50_caffe": Case(
        "resnet50_caffe", oracles.ORACLES["resnet50_caffe"], files.caffe_resnet
    ),
    "resnet152": Case("resnet152", oracles.ORACLES["resnet152"], files.old_pth),
    "resnet152_caffe": Case(
        "resnet152_caffe", oracles.ORACLES["resnet152_caffe"], files.caffe_resnet
    ),
    "bn_inception": Case("bn_inception", oracles.bn_inception, files.pth),
    "bn_inception_tsn": Case(
        "bn_inception", oracles.bn_inception, files.caffe_bn_inception
    ),
    "efficientnet_lite0": Case(
        "efficientnet_lite0", oracles.ORACLES["efficientnet_lite0"], files.pth
    ),
    "efficientnet_lite1": Case(
        "efficientnet_lite1", oracles.ORACLES["efficientnet_lite1"], files.pth
    ),
    "efficientnet_lite2": Case(
        "efficientnet_lite2", oracles.ORACLES["efficientnet_lite2"], files.pth
    ),
    "vgg16": Case("vgg16", oracles.ORACLES["vgg16"], files.pth),
    "vgg16_timm": Case(
        "vgg16", functools.partial(oracles.timm_network, "vgg16"), files.safe
    ),
    "vgg16_caffe": Case(
        "vgg16_caffe", oracles.ORACLES["vgg16_caffe"], files.caffe_vgg16
    ),
}
# Deeper than another row by the same code: tests/models/test_golden.py has their steps.
DEEPER = {"resnet152", "resnet152_caffe", "efficientnet_lite1", "efficientnet_lite2"}
# A map in training is that in evaluation: there are no statistics to compare.
WITHOUT_BATCH_NORM = {"vgg16", "vgg16_timm", "vgg16_caffe"}
LAST_FILES = set({case.row: name for name, case in CASES.items()}.values())
TRAINED = LAST_FILES - DEEPER - WITHOUT_BATCH_NORM
# Layer by layer a ResNet compiles its few distinct layers once, whatever its depth.
NOT_JITTED = {"resnet152", "resnet152_caffe"}
# Two larger ones share the two inputs, of which the smaller one takes each.
LEFT_OUT = {
    ("resnet152", FLOW),
    ("resnet152_caffe", IMAGE),
    ("efficientnet_lite1", FLOW),
    ("efficientnet_lite2", IMAGE),
}
PAIRS = [
    (name, channels, side)
    for name in CASES
    for channels, side in ((IMAGE, EVEN), (FLOW, ODD))
    if (name, channels) not in LEFT_OUT
]


@dataclasses.dataclass(frozen=True)
class Pair:
    """An oracle with random weights, and what we read of its file."""

    case: Case
    channels: int
    oracle: oracles.Oracle
    pretrained: pretrained.Pretrained

    @property
    def jit(self) -> bool:
        return self.case.row not in NOT_JITTED

    def images(self, side: int) -> Any:
        return random_weights.images((NUMBER, side, side, self.channels), SEED)

    def statistics(self, after: oracles.State) -> programs.Tensors:
        """The oracle's running statistics after a step, by our names."""
        before = self.pretrained.variables["batch_stats"]
        if not before:
            return {}
        found = _read(self.case, self.channels, after).variables["batch_stats"]
        return programs.statistics_and_steps(before, found)


def _read(case: Case, channels: int, state: oracles.State) -> pretrained.Pretrained:
    with tempfile.TemporaryDirectory() as folder:
        path = case.write(pathlib.Path(folder), state)
        return pretrained.load(case.row, str(path), channels)


@functools.lru_cache(maxsize=1)
def _pair(name: str, channels: int) -> Pair:
    """Parametrised tests of one pair follow each other."""
    torch.set_num_threads(2)
    case = CASES[name]
    oracle = case.oracle(channels)
    shapes = oracle.shapes()
    if channels == FLOW:  # VGG's 124 million values, which its file of images has, too.
        shapes = {n: shape for n, shape in shapes.items() if not HIDDEN.match(n)}
    state = random_weights.state_dict(shapes, SEED)
    oracle.put(state, strict=channels == IMAGE)
    pretrained = _read(case, channels, state)
    variables = jax.device_put(pretrained.variables)
    pretrained = dataclasses.replace(pretrained, variables=variables)
    return Pair(case, channels, oracle, pretrained)


@pytest.mark.parametrize(("name", "channels", "side"), PAIRS)
def test_outputs_and_a_training_step(name, channels, side):
    """A step of a network once: other files of it give the same variables."""
    pair = _pair(name, channels)
    _check_outputs(pair, pair.images(side))
    if name in TRAINED:
        _check_training_step(pair, pair.images(side))


def _check_outputs(pair, images):
    expected = {"map": pair.oracle.evaluate(images)}
    if pair.pretrained.classifier is not None:
        expected["logits"] = pair.oracle.logits(expected["map"])
    found = programs.evaluate(pair.case.row, pair.pretrained, images, jit=pair.jit)
    closeness.check(found, expected)


def _check_training_step(pair, images, mode="trained"):
    feature_map, after = pair.oracle.train(images, mode)
    found = programs.train(pair.case.row, pair.pretrained, images, mode, jit=pair.jit)
    closeness.check(found, {"map": feature_map, **pair.statistics(after)})
    return found


@pytest.mark.parametrize("mode", ("first", "frozen"))
@pytest.mark.parametrize("name", ("bn_inception", "resnet50", "efficientnet_lite0"))
def test_partial_batch_norm(name, mode):
    pair = _pair(name, IMAGE)
    found = _check_training_step(pair, pair.images(ODD), mode)
    moved = [name for name, x in found.items() if name.startswith("step") and x.any()]
    assert len(moved) == (mode == "first"), moved
