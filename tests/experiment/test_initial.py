"""Streams are taken over whole, from the first source that has them, or not at all."""

import jax
import numpy as np
import pytest

from stpn_jax.experiment import initialize
from stpn_jax.utils.errors import UsageError
from stpn_jax.weights import formats, own


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
