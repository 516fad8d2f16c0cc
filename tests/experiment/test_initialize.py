"""What a stage starts from: whole streams of the first source, and weights of files."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from configs import demo
from stpn_jax import config as configs
from stpn_jax.experiment import checkpoint_selection, initialize
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import formats, own, pretrained

CONFIG = configs.from_config_dict(demo.get_config())
SPATIAL, TEMPORAL, PYRAMID = CONFIG.stages


def variables(value, *streams, width=2):
    def tree():
        return {name: {"backbone": {"x": np.full(width, value)}} for name in streams}

    return {
        "params": tree() | {"classifier": {"x": np.full(3, value)}},
        "batch_stats": tree(),
        "sketches": {},
    }


def test_each_stream_comes_from_the_first_source_that_has_it():
    fresh = variables(0.0, "spatial", "temporal")
    sources = {"one": variables(1.0, "spatial"), "two": variables(2.0, "temporal")}
    taken = initialize.take_streams(fresh, sources)
    assert taken["params"]["spatial"]["backbone"]["x"][0] == 1
    assert taken["batch_stats"]["temporal"]["backbone"]["x"][0] == 2
    assert taken["params"]["classifier"]["x"][0] == 0
    assert fresh["params"]["spatial"]["backbone"]["x"][0] == 0


def test_a_stream_that_no_source_has_is_named():
    with pytest.raises(UsageError, match=r"one: no temporal stream"):
        initialize.take_streams(
            variables(0.0, "spatial", "temporal"), {"one": variables(1.0, "spatial")}
        )


def test_a_flow_stream_starts_from_the_image_stream():
    """Its first kernel is the mean over the colours, once for each channel."""
    kernel = np.random.default_rng(0).random((2, 2, 3, 5))
    found = variables(1.0, "spatial")
    found["params"]["spatial"]["backbone"] = {"conv1": {"kernel": kernel}}
    experiment = types.SimpleNamespace(config=CONFIG)
    taken = initialize._as_flow(experiment, found)
    assert list(taken["params"]) == ["temporal"]
    expected = np.tile(kernel.mean(2, keepdims=True), (1, 1, 20, 1))
    first = taken["params"]["temporal"]["backbone"]["conv1"]["kernel"]
    np.testing.assert_allclose(first, expected)
    assert taken["batch_stats"]["temporal"] == found["batch_stats"]["spatial"]


@pytest.mark.parametrize("order", [("spatial", "temporal"), ("temporal", "spatial")])
def test_where_a_flow_stream_is_there_the_image_stream_is_not_taken(monkeypatch, order):
    stages = {stage.name: stage for stage in (SPATIAL, TEMPORAL)}
    third = dataclasses.replace(TEMPORAL, name="third", paths=3, init=order)
    stages = tuple(stages[name] for name in order)
    config = dataclasses.replace(CONFIG, stages=(*stages, third))
    experiment = types.SimpleNamespace(
        config=config, init_from="", folder=lambda stage: stage.name
    )
    found = {
        "spatial": variables(1.0, "spatial"),
        "temporal": variables(2.0, "temporal"),
    }
    monkeypatch.setattr(
        checkpoint_selection, "restore", lambda _, stage: found[stage.name]
    )
    filled, _ = initialize._fill(experiment, third, variables(0.0, "temporal"))
    assert filled["params"]["temporal"]["backbone"]["x"][0] == 2


@pytest.mark.parametrize("paths", [0, 1])
def test_a_stage_that_trains_a_network_further_keeps_the_classifier(monkeypatch, paths):
    """Another network, here by its number of paths, has a new one."""
    first = dataclasses.replace(SPATIAL, paths=paths)
    second = dataclasses.replace(SPATIAL, name="tuned", init=("spatial",))
    config = dataclasses.replace(CONFIG, stages=(first, second))
    experiment = types.SimpleNamespace(
        config=config, init_from="", folder=lambda stage: stage.name
    )
    found = variables(1.0, "spatial")
    monkeypatch.setattr(checkpoint_selection, "restore", lambda *_: found)
    filled, _ = initialize._fill(experiment, second, variables(0.0, "spatial"))
    assert filled["params"]["spatial"]["backbone"]["x"][0] == 1
    assert filled["params"]["classifier"]["x"][0] == (paths == 0)


def test_a_stream_of_another_shape_is_named():
    with pytest.raises(UsageError, match=r"one: does not fit.*backbone/x is 5"):
        initialize.take_streams(
            variables(0.0, "spatial"), {"one": variables(1.0, "spatial", width=5)}
        )


def test_variables_of_a_network_are_restored_from_a_file(tmp_path):
    saved = variables(1.5, "spatial", "temporal")
    path = tmp_path / "variables.safetensors"
    path.write_bytes(formats.encode(path, own.flat(saved)))
    restored = initialize.restore_folder(path)
    assert jax.tree.structure(restored) == jax.tree.structure(saved)
    for one, other in zip(*map(jax.tree.leaves, (saved, restored)), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(UsageError, match=r"missing.npz: this weight file does not"):
        initialize.restore_folder(tmp_path / "missing.npz")


def dense(value, inputs=4, outputs=4):
    return {
        "kernel": np.full((inputs, outputs), value),
        "bias": np.full(outputs, value),
    }


def network_variables(*streams, first=4):
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
    """Runs fill_from_files on weights that are all 1, or 2 in a file for flow."""

    def load(backbone, file, in_channels=3):
        value = 2.0 if file == "flow.pth" else 1.0
        return pretrained.Pretrained(
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

    monkeypatch.setattr(pretrained, "load", load)
    return run


def layer(filled, name):
    return filled["params"]["classifier"][name]["bias"][0]


def test_a_single_stream_takes_backbone_and_hidden_layers(fill):
    filled, notes = fill(SPATIAL, network_variables("spatial"))
    assert filled["params"]["spatial"]["backbone"]["x"][0] == 1
    assert filled["batch_stats"]["spatial"]["backbone"]["m"][0] == 1
    assert [layer(filled, name) for name in ("fc6", "fc7", "dense")] == [1, 1, 0]
    assert notes["spatial"]["sha256"] == "c0ffee"
    assert notes["spatial"]["preprocessing"]["order"] == "rgb"


def test_the_temporal_stream_can_have_its_own_file(fill):
    filled, _ = fill(TEMPORAL, network_variables("temporal"), flow_weights="flow.pth")
    assert filled["params"]["temporal"]["backbone"]["x"][0] == 2
    assert layer(filled, "fc7") == 2


def test_the_head_is_imported_on_request(fill):
    filled, _ = fill(SPATIAL, network_variables("spatial"), head="imported")
    assert layer(filled, "dense") == 1


def test_the_first_hidden_layer_after_a_fusion_is_new(fill):
    given = network_variables("spatial", "temporal", first=64)
    filled, _ = fill(PYRAMID, given, streams=False)
    assert filled["params"]["spatial"]["backbone"]["x"][0] == 0
    assert [layer(filled, name) for name in ("fc6", "fc7", "dense")] == [0, 1, 0]


def test_no_weights_change_nothing(fill):
    given = network_variables("spatial")
    assert fill(SPATIAL, given, weights="none") == (given, {})


def test_a_head_of_other_classes_is_named(fill):
    given = network_variables("spatial")
    given["params"]["classifier"]["dense"] = dense(0, 4, 7)
    with pytest.raises(UsageError, match="kernel is 4x3, expected 4x7"):
        fill(SPATIAL, given, head="imported")


def test_flow_weights_alone_are_rejected():
    given = demo.get_config().to_dict()
    given["model"]["flow_weights"] = "flow.pth"
    with pytest.raises(UsageError, match="flow_weights"):
        configs.from_config_dict(given)
