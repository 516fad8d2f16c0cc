"""Weights of files reach the parts of a network that they are for, and are noted."""

import dataclasses

import numpy as np
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax import weights
from stpn_jax.experiment import initialize
from stpn_jax.utils.errors import UsageError

CONFIG = configs.from_config_dict(demo.get_config())
SPATIAL, TEMPORAL, PYRAMID = CONFIG.stages


def dense(value, inputs=4, outputs=4):
    return {
        "kernel": np.full((inputs, outputs), value),
        "bias": np.full(outputs, value),
    }


def variables(*streams, first=4):
    """Zeros; `first` is what fc6 sees."""
    backbone = {name: {"backbone": {"x": np.zeros(2)}} for name in streams}
    head = {"fc6": dense(0, first), "fc7": dense(0), "dense": dense(0, 4, 3)}
    return {
        "params": backbone | {"classifier": head},
        "batch_stats": {name: {"backbone": {"m": np.zeros(2)}} for name in streams},
        "sketches": {},
    }


@pytest.fixture
def fill(monkeypatch):
    """Runs pretrained.fill on weights that are all 1, or 2 in a file for flow."""

    def load(backbone, file, in_channels=3):
        value = 2.0 if file == "flow.pth" else 1.0
        return weights.Pretrained(
            variables={
                "params": {"x": np.full(2, value)},
                "batch_stats": {"m": np.full(2, value)},
            },
            hidden={"fc6": dense(value), "fc7": dense(value)},
            classifier=dense(value, 4, 3),
            checksum="c0ffee",
            layout="caffe",
        )

    def run(stage, given, streams=True, **model):
        fields = {"backbone": "vgg16", "weights": "rgb.pth"} | model
        config = dataclasses.replace(
            CONFIG, model=dataclasses.replace(CONFIG.model, **fields)
        )
        return initialize.fill_from_files(config, stage, given, streams)

    monkeypatch.setattr(weights, "load", load)
    return run


def layer(filled, name):
    return filled["params"]["classifier"][name]["bias"][0]


def test_a_single_stream_takes_backbone_and_hidden_layers(fill):
    filled, notes = fill(SPATIAL, variables("spatial"))
    assert filled["params"]["spatial"]["backbone"]["x"][0] == 1
    assert filled["batch_stats"]["spatial"]["backbone"]["m"][0] == 1
    assert [layer(filled, name) for name in ("fc6", "fc7", "dense")] == [1, 1, 0]
    assert notes["spatial"]["sha256"] == "c0ffee"
    assert notes["spatial"]["preprocessing"]["order"] == "rgb"


def test_flow_takes_a_file_of_its_own(fill):
    filled, _ = fill(TEMPORAL, variables("temporal"), flow_weights="flow.pth")
    assert filled["params"]["temporal"]["backbone"]["x"][0] == 2
    assert layer(filled, "fc7") == 2


def test_the_head_is_imported_on_request(fill):
    filled, _ = fill(SPATIAL, variables("spatial"), head="imported")
    assert layer(filled, "dense") == 1


def test_behind_a_fusion_the_first_hidden_layer_starts_anew(fill):
    given = variables("spatial", "temporal", first=64)
    filled, _ = fill(PYRAMID, given, streams=False)
    assert filled["params"]["spatial"]["backbone"]["x"][0] == 0
    assert [layer(filled, name) for name in ("fc6", "fc7", "dense")] == [0, 1, 0]


def test_no_weights_change_nothing(fill):
    given = variables("spatial")
    assert fill(SPATIAL, given, weights="none") == (given, {})


def test_a_head_of_other_classes_is_named(fill):
    given = variables("spatial")
    given["params"]["classifier"]["dense"] = dense(0, 4, 7)
    with pytest.raises(UsageError, match="kernel is 4x3, expected 4x7"):
        fill(SPATIAL, given, head="imported")


def test_flow_weights_alone_are_refused():
    given = demo.get_config().to_dict()
    given["model"]["flow_weights"] = "flow.pth"
    with pytest.raises(UsageError, match="flow_weights"):
        configs.from_config_dict(given)
