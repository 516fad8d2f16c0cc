"""Each format is read as its library writes it; errors name what is wrong."""

import hashlib
import io
import json
import struct

import h5py
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from stpn_jax.utils import errors
from stpn_jax.weights import formats

FIRST = np.arange(12, dtype=np.float32).reshape(3, 4)
TENSORS = {"a.weight": FIRST, "a/b": np.arange(5, dtype=np.int64)}


def _npz():
    stream = io.BytesIO()
    np.savez(stream, **TENSORS)
    return stream.getvalue()


def _hdf5(fill=None):
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, tensor in TENSORS.items():
            file[name] = tensor
        file.attrs["keras_version"] = "2.1"
        if fill:
            fill(file)
    return stream.getvalue()


def _safetensors():
    return safetensors.numpy.save(TENSORS)


CONTENTS = {"npz": _npz, "h5": _hdf5, "hdf5": _hdf5, "safetensors": _safetensors}
EACH = pytest.mark.parametrize("suffix", CONTENTS)


def _write(tmp_path, suffix, data):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(data)
    return path


@EACH
def test_reads_all_tensors_and_hashes_the_file(tmp_path, suffix):
    data = CONTENTS[suffix]()
    found = formats.read(_write(tmp_path, suffix, data))
    assert set(found.tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype
    assert found.size == len(data)
    assert found.checksum == hashlib.sha256(data).hexdigest()
    assert found.format == {"h5": "hdf5"}.get(suffix, suffix)


@EACH
@pytest.mark.parametrize("share", (0.0, 0.1, 0.5, 0.9))
def test_truncated_file_is_named(tmp_path, suffix, share):
    data = CONTENTS[suffix]()
    path = _write(tmp_path, suffix, data[: int(share * len(data))])
    with pytest.raises(errors.UsageError, match=rf"weights\.{suffix}: not a readable"):
        formats.read(path)


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        (suffix, name)
        for suffix in (*CONTENTS, "pth", "pt", "caffemodel")
        for name in ("npz", "h5", "safetensors", "text")
        if suffix.replace("hdf5", "h5") != name
    ],
)
def test_another_kind_of_file_is_rejected(tmp_path, suffix, name):
    data = CONTENTS.get(name, lambda: b"<!DOCTYPE html><html>not found</html>")()
    with pytest.raises(errors.UsageError, match=rf"weights\.{suffix}: not a readable"):
        formats.read(_write(tmp_path, suffix, data))


def test_an_unknown_suffix_names_the_known_ones(tmp_path):
    for name in ("weights.onnx", "weights"):
        path = tmp_path / name
        path.write_bytes(_npz())
        with pytest.raises(errors.UsageError, match=r"\.pth.*\.npz.*\.caffemodel"):
            formats.read(path)


def test_bfloat16(tmp_path):
    header = {"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    head = json.dumps(header).encode()
    values = np.array([[1, -2], [0.5, 3]], ml_dtypes.bfloat16)
    data = struct.pack("<Q", len(head)) + head + values.tobytes()
    found = formats.read(_write(tmp_path, "safetensors", data)).tensors["w"]
    assert found.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(found.astype(np.float32), values.astype(np.float32))


def test_unsupported_dtypes_are_named(tmp_path):
    header = {"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}
    head = json.dumps(header).encode()
    data = struct.pack("<Q", len(head)) + head + b"ab"
    with pytest.raises(errors.UsageError, match=r"w is of type F8_E4M3"):
        formats.read(_write(tmp_path, "safetensors", data))
    stream = io.BytesIO()
    np.savez(stream, text=np.array(["a"]))
    with pytest.raises(errors.UsageError, match=r"text holds <U1"):
        formats.read(_write(tmp_path, "npz", stream.getvalue()))


class _Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_an_object_in_a_npz_is_not_unpickled(tmp_path):
    stream = io.BytesIO()
    np.savez(stream, w=np.array([_Attack(tmp_path / "ran")], object), allow_pickle=True)
    with pytest.raises(errors.UsageError, match="allow_pickle"):
        formats.read(_write(tmp_path, "npz", stream.getvalue()))
    assert not (tmp_path / "ran").exists()


def _external_link(file, other):
    file["linked"] = h5py.ExternalLink(other, "secret")


def _soft_link(file, other):
    file["linked"] = h5py.SoftLink("/a.weight")


def _external_storage(file, other):
    file.create_dataset("linked", (4,), "u1", external=[(other, 0, 4)])


def _virtual(file, other):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource(other, "secret", (4,))
    file.create_virtual_dataset("linked", layout)


@pytest.mark.parametrize(
    "fill", (_external_link, _soft_link, _external_storage, _virtual)
)
def test_hdf5_links_and_external_data_are_rejected(tmp_path, fill):
    other = str(tmp_path / "other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = np.arange(4, dtype=np.uint8)
    data = _hdf5(lambda file: fill(file, other))
    with pytest.raises(errors.UsageError, match=r"weights\.h5.*linked"):
        formats.read(_write(tmp_path, "h5", data))


def test_hdf5_sizes_without_values_are_rejected(tmp_path):
    data = _hdf5(lambda file: file.create_dataset("huge", (1 << 20, 1 << 20), "f4"))
    with pytest.raises(errors.UsageError, match="huge has no values"):
        formats.read(_write(tmp_path, "h5", data))


def test_a_cycle_of_hdf5_groups_ends(tmp_path):
    def tie(file):
        file["group/again"] = file["/"]

    path = _write(tmp_path, "h5", _hdf5(tie))
    assert set(formats.read(path).tensors) == set(TENSORS)


def test_values_that_are_not_finite_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", good=np.ones(2), bad=np.array([1, np.nan]))
    with pytest.raises(errors.UsageError, match="bad holds values that are not finite"):
        formats.read(tmp_path / "a.npz")
