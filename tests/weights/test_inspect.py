"""The command `inspect`: what a file is, which network it fits, how to use it."""

import hashlib
import subprocess
import sys

import fake_layouts
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from stpn_jax.models.backbones import BACKBONES
from stpn_jax.weights import __main__ as command
from stpn_jax.weights import formats


@pytest.fixture
def inspect(monkeypatch, capsys, tmp_path):
    """The command on given tensors: its exit status and what it prints."""

    def inspect(tensors, *options):
        file = formats.WeightFile("a.pth", "torch", 12345, "c" * 64, dict(tensors))
        monkeypatch.setattr(command.source, "locate", lambda name: name)
        monkeypatch.setattr(formats, "read", lambda _: file)
        return command.main(["inspect", "a.pth", *options]), capsys.readouterr().out

    return inspect


@pytest.mark.parametrize("layout", ("pytorch", "pytorch, tsn", "caffe"))
def test_a_file_that_fits(inspect, layout):
    tensors = fake_layouts.tensors("bn_inception", layout)
    status, text = inspect(tensors)
    assert status == 0
    for part in (
        "format: torch, 12,345 bytes",
        "sha256: ccc",
        f"tensors: {len(tensors)} ({len(tensors)} float32), ",
        f"fits: bn_inception ({layout.split(',')[0]}), completely",
        "input channels: 3 (RGB images)",
        "hidden layers: none",
        "classes: 1000",
        "preprocessing: BGR; mean 104 117 123; std 1",
        "--config.model.backbone=bn_inception --config.model.weights=a.pth",
    ):
        assert part in text


def test_a_flow_file(inspect):
    status, text = inspect(fake_layouts.tensors("bn_inception", "caffe", 10))
    assert status == 0
    assert "input channels: 10 (stacked flow)" in text
    assert "mean 128; std 1" in text
    assert "--config.model.flow_weights=a.pth" in text


def test_hidden_layers(inspect):
    status, text = inspect(fake_layouts.tensors("vgg16_caffe", "keras, 3"))
    assert status == 0
    assert text.count("fits: ") == 1
    assert "fits: vgg16_caffe (keras), completely" in text
    assert "hidden layers: fc6, fc7" in text


def test_only_the_right_depth_fits(inspect):
    status, text = inspect(fake_layouts.tensors("resnet50", "torchvision"))
    assert status == 0
    assert text.count("fits: ") == 1
    assert "fits: resnet50 (torchvision)" in text


def test_the_nearest_backbone_and_its_misfits(inspect):
    tensors = fake_layouts.tensors("resnet50", "torchvision")
    del tensors["layer2.0.conv1.weight"]
    tensors |= {"fc.weight": np.zeros((9, 8)), "fc.bias": np.zeros(9)}
    status, text = inspect(tensors | {"aux.weight": np.zeros(1)})
    assert status == 2
    for part in (
        "fits: nothing; nearest is resnet50 (torchvision)",
        "unknown: aux.weight",
        "missing: params/layer2_0_conv1/kernel",
        "misshapen: classifier/kernel is 8x9, expected 2048x9",
    ):
        assert part in text


def test_batch_normalised_vgg_does_not_fit(inspect):
    tensors = {"features.0.weight": np.zeros((64, 3, 3, 3))}
    tensors |= {f"features.1.{n}": np.zeros(64) for n in ("weight", "running_mean")}
    status, text = inspect(tensors | {"features.21.weight": np.zeros(256)})
    assert status == 2
    assert "nearest is vgg16 (torchvision)" in text
    assert "unknown: features.1.weight, features.1.running_mean" in text
    assert "features.21.weight has shape 256" in text


def test_nothing_known(inspect):
    status, text = inspect({"encoder.weight": np.zeros((2, 3))}, "--tensors")
    assert status == 2
    assert "no backbone has any of encoder.weight" in text
    assert "encoder.weight  2x3  float64" in text


@pytest.mark.slow
def test_the_command_itself(tmp_path):
    row = BACKBONES["tiny"]
    x = jnp.zeros((1, 16, 16, 3))
    variables = jax.eval_shape(row.module().init, jax.random.key(0), x)
    flat = traverse_util.flatten_dict(dict(variables), sep="/")
    path = tmp_path / "tiny.npz"
    np.savez(path, **{name: np.zeros(x.shape, x.dtype) for name, x in flat.items()})
    arguments = [sys.executable, "-m", "stpn_jax.weights", "inspect", path]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "fits: tiny (stpn_jax), completely" in done.stdout
    assert hashlib.sha256(path.read_bytes()).hexdigest() in done.stdout
    path.write_bytes(b"PK")
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "tiny.npz: not a readable npz" in done.stderr
    assert done.stderr.count("\n") == 1
