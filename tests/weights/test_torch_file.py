"""The reader of torch files, on files written here byte by byte, without torch."""

import io
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from stpn_jax.utils import errors
from stpn_jax.weights import formats, torch_file

FIRST = np.arange(24, dtype=np.float32)
SECOND = np.array([7, -1], np.int64)


class _Global:
    """Pickles as a reference to module.name, which need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _Storage:
    def __init__(self, kind, key, size):
        self.identifier = ("storage", _Global("torch", kind), key, "cpu", size)


class _Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments
        self.state = None


class _Pickler(pickle._Pickler):
    """Writes the opcodes that torch.save writes."""

    def __init__(self, stream, legacy):
        super().__init__(stream, protocol=2)
        self.legacy = legacy

    def persistent_id(self, value):
        if isinstance(value, _Storage):
            return value.identifier + ((None,) if self.legacy else ())
        return None

    def save(self, value, save_persistent_id=True):
        if isinstance(value, _Global):
            self.write(f"c{value.module}\n{value.name}\n".encode())
        elif isinstance(value, _Call):
            self.save(value.function)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
            if value.state is not None:
                self.save(value.state)
                self.write(pickle.BUILD)
        else:
            super().save(value, save_persistent_id)


def _tensor(kind, key, size, offset, shape, strides):
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    hooks = OrderedDict()
    return _Call(
        rebuild, _Storage(kind, key, size), offset, shape, strides, False, hooks
    )


def _state_dict():
    return OrderedDict(
        plain=_tensor("FloatStorage", "0", 24, 0, (2, 3, 4), (12, 4, 1)),
        turned=_tensor("FloatStorage", "0", 24, 2, (4, 2), (1, 8)),
        counts=_tensor("LongStorage", "1", 2, 1, (), ()),
    )


def _dump(tree, legacy):
    stream = io.BytesIO()
    _Pickler(stream, legacy).dump(tree)
    return stream.getvalue()


def _zip(tree):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", _dump(tree, legacy=False))
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", FIRST.tobytes())
        archive.writestr("archive/data/1", SECOND.tobytes())
    return stream.getvalue()


def _legacy(tree):
    parts = (
        torch_file.LEGACY_MAGIC,
        torch_file.LEGACY_PROTOCOL,
        {"little_endian": True},
    )
    data = b"".join(pickle.dumps(part, 2) for part in parts)
    data += _dump(tree, legacy=True) + pickle.dumps(["0", "1"], 2)
    for storage in (FIRST, SECOND):
        data += struct.pack("<q", storage.size) + storage.tobytes()
    return data


FORMATS = pytest.mark.parametrize("encode", (_zip, _legacy))


def _write(tmp_path, data):
    path = tmp_path / "network.pth"
    path.write_bytes(data)
    return path


def _read(path):
    return formats.read(path).tensors


@FORMATS
def test_reads_tensors_with_their_strides(tmp_path, encode):
    found = _read(_write(tmp_path, encode(_state_dict())))
    np.testing.assert_array_equal(found["plain"], FIRST.reshape(2, 3, 4))
    expected = FIRST[2:].reshape(-1)[[[0, 8], [1, 9], [2, 10], [3, 11]]]
    np.testing.assert_array_equal(found["turned"], expected)
    assert found["counts"] == -1
    assert found["counts"].dtype == np.int64
    assert all(array.flags.c_contiguous for array in found.values())


@FORMATS
def test_unwraps_checkpoints_of_parallel_training(tmp_path, encode):
    tensors = {f"module.{name}": value for name, value in _state_dict().items()}
    path = _write(tmp_path, encode({"epoch": 3, "state_dict": tensors}))
    assert list(_read(path)) == ["plain", "turned", "counts"]


@FORMATS
@pytest.mark.parametrize("share", (0.0, 0.2, 0.5, 0.97))
def test_truncated_file_is_named(tmp_path, encode, share):
    data = encode(_state_dict())
    path = _write(tmp_path, data[: int(share * len(data))])
    with pytest.raises(errors.UsageError, match=r"network\.pth"):
        _read(path)


def test_every_truncation_and_many_flipped_bytes_end_in_a_usage_error(tmp_path):
    data = _legacy(_state_dict())
    rng = np.random.default_rng(0)
    damaged = [data[:end] for end in range(0, len(data), 7)]
    for _ in range(200):
        broken = bytearray(data)
        broken[rng.integers(150, len(data) - 220)] = rng.integers(256)
        damaged.append(bytes(broken))
    for content in damaged:
        path = _write(tmp_path, content)
        try:
            _read(path)
        except errors.UsageError as error:
            assert "network.pth" in str(error)


@FORMATS
@pytest.mark.parametrize(
    "module, name",
    (
        (os.system.__module__, "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("stpn_jax.weights.torch_file", "read"),
        ("collections", "OrderedDict.__class__"),
    ),
)
def test_malicious_pickle_runs_nothing(tmp_path, encode, module, name):
    mark = tmp_path / "ran"
    tree = _state_dict() | {"bad": _Call(_Global(module, name), f"touch {mark}")}
    path = _write(tmp_path, encode(tree))
    with pytest.raises(errors.UsageError, match=f"network.pth.*{name}"):
        _read(path)
    assert not mark.exists()


@FORMATS
def test_a_pickle_cannot_alter_the_reader(tmp_path, encode):
    tree = _state_dict()
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    program = encode({"state_dict": tree, "x": rebuild})
    assert "BUILD" not in {
        op.name for op, _, _ in pickletools.genops(_dump(tree, True))
    }
    patched = program.replace(
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb",
    )
    with pytest.raises(errors.UsageError):
        _read(_write(tmp_path, patched))


@FORMATS
@pytest.mark.parametrize(
    "offset, shape, strides",
    (
        (20, (5,), (1,)),
        (-1, (2,), (1,)),
        (0, (2, 2), (-1, 1)),
        (0, (1000, 1000, 1000), (0, 0, 0)),
        (0, (3,), (1, 1)),
    ),
)
def test_tensors_outside_their_storage_are_rejected(
    tmp_path, encode, offset, shape, strides
):
    tree = {"bad": _tensor("FloatStorage", "0", 24, offset, shape, strides)}
    tree |= {"counts": _state_dict()["counts"]}
    with pytest.raises(errors.UsageError, match=r"bad|argument"):
        _read(_write(tmp_path, encode(tree)))


@pytest.mark.parametrize("tree", ([1, 2], {}, {"epoch": 3}))
def test_files_without_tensors_are_rejected(tmp_path, tree):
    with pytest.raises(errors.UsageError, match=r"network\.pth"):
        _read(_write(tmp_path, _zip(tree)))


@FORMATS
def test_reads_parameters_as_torch_before_04_wrote_them(tmp_path, encode):
    """Of torch/autograd/variable.py and torch/tensor.py, release 0.3."""
    data = _Call(
        _Global("torch._utils", "_rebuild_tensor"),
        *(_Storage("FloatStorage", "0", 24), 1, (2, 3), (3, 1)),
    )
    parameter = _Call(_Global("torch.nn.parameter", "Parameter"), data)
    parameter.state = (True, False, OrderedDict())
    tree = _state_dict() | {"weight": parameter}
    found = _read(_write(tmp_path, encode(tree)))
    np.testing.assert_array_equal(found["weight"], FIRST[1:7].reshape(2, 3))
    np.testing.assert_array_equal(found["plain"], FIRST.reshape(2, 3, 4))


class _Attack:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@FORMATS
@pytest.mark.parametrize("place", ("weight", "state_dict", "epoch"))
def test_os_system_is_not_run(tmp_path, encode, place):
    mark = tmp_path / "ran"
    tree = {**_state_dict(), place: _Attack(f"touch {mark}")}
    with pytest.raises(errors.UsageError, match=r"network\.pth.*system"):
        _read(_write(tmp_path, encode(tree)))
    assert not mark.exists()


def test_a_bare_pickle_is_not_run(tmp_path):
    mark = tmp_path / "ran"
    path = _write(tmp_path, pickle.dumps(_Attack(f"touch {mark}")))
    with pytest.raises(errors.UsageError, match=r"network\.pth.*system"):
        _read(path)
    assert not mark.exists()


def test_a_pickle_cannot_alter_the_types_of_storages():
    """BUILD calls __setstate__, which dtypes have and which changes them for good."""
    before = [(dtype, dtype.itemsize) for dtype in torch_file.DTYPES.values()]
    state = pickle.dumps((1, 1, 0, 8, 8, b"A" * 8), protocol=2)[2:-1]
    for name in torch_file.DTYPES:
        global_name = f"ctorch\n{name}\n".encode()
        data = b"\x80\x02" + global_name + state + b"b0}."
        with pytest.raises(Exception):  # noqa: B017 Whatever rejects it.
            torch_file._Unpickler(io.BytesIO(data)).load()
    assert before == [(d, d.itemsize) for d in torch_file.DTYPES.values()]
