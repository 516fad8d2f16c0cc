"""Our own variables are the same after a round trip through a file."""

import dataclasses

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from reference import snippets

from configs import demo
from stpn_jax import config as configs
from stpn_jax.models import build
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import __main__ as command
from stpn_jax.weights import formats, own

pytestmark = pytest.mark.usefixtures("quickly_compiled")

CONFIG = configs.from_config_dict(demo.get_config())
SUFFIXES = pytest.mark.parametrize("suffix", ("npz", "safetensors"))


@pytest.fixture(scope="module", params=("stcb", "concatenation"))
def variables(request):
    """Of a network with sketches and of one without."""
    fusion = dataclasses.replace(CONFIG.model.temporal, kind=request.param)
    model = dataclasses.replace(
        CONFIG.model, temporal=fusion, attention=fusion, pyramid=fusion
    )
    network = build.build(
        model, CONFIG.stages[-1], classes=5, input_size=32, resize=False, axis_name=None
    )
    one = snippets.batch(samples=1, frames=1, paths=3)
    return build.initialise(network, one, 0)


def assert_identical(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@SUFFIXES
def test_round_trip_gives_identical_variables(variables, tmp_path, suffix):
    path = tmp_path / f"variables.{suffix}"
    path.write_bytes(formats.encode(path, own.flat(variables)))
    assert_identical(own.read(path), variables)


def test_another_library_reads_what_we_write(variables, tmp_path):
    path = tmp_path / "variables.safetensors"
    path.write_bytes(formats.encode(path, own.flat(variables)))
    theirs = safetensors.numpy.load_file(path)
    assert set(theirs) == set(own.flat(variables))


@SUFFIXES
def test_convert_and_back_keeps_every_bit(tmp_path, capsys, suffix):
    tensors = {
        "params/a": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "sketches/h": np.array([3, 1], np.int16),
        "sketches/s": np.array([], bool),
    }
    other = tmp_path / "new" / ("other.safetensors" if suffix == "npz" else "other.npz")
    first, last = tmp_path / f"first.{suffix}", tmp_path / f"last.{suffix}"
    first.write_bytes(formats.encode(first, tensors))
    assert command.main(["convert", str(first), str(other)]) == 0
    assert command.main(["convert", str(other), str(last)]) == 0
    assert capsys.readouterr().out.count("3 tensors") == 2
    found = formats.read(last).tensors
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)
    assert [path.name for path in other.parent.iterdir()] == [other.name]


def test_bfloat16_is_written_and_read(tmp_path):
    path = tmp_path / "half.safetensors"
    tensors = {"params/a": np.array([1.5, -2], ml_dtypes.bfloat16)}
    path.write_bytes(formats.encode(path, tensors))
    found = formats.read(path).tensors["params/a"]
    assert found.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(found, tensors["params/a"])


def test_unwritable_formats_and_dtypes_are_named(tmp_path, capsys):
    source = tmp_path / "a.npz"
    np.savez(source, **{"params/a": np.zeros(2)})
    assert command.main(["convert", str(source), str(tmp_path / "a.pth")]) == 2
    assert "files are written as .safetensors, .npz" in capsys.readouterr().err
    for name, kind in (("safetensors", "complex64"), ("npz", ml_dtypes.bfloat16)):
        array = np.zeros(2, kind)
        with pytest.raises(UsageError, match=rf"a.{name}: x is of type {array.dtype}"):
            formats.encode(f"a.{name}", {"x": array})


def test_a_file_of_another_network_is_rejected(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **{"conv1.weight": np.zeros(2)})
    with pytest.raises(UsageError, match=r"other.npz: not the variables of a network"):
        own.read(path)
