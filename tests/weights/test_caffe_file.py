"""The reader of .caffemodel files, on files that a writer of ours makes byte by byte.

Networks from this writer were once run by OpenCV 4.11 (cv2.dnn.readNetFromCaffe): its
outputs were numpy's within 2e-7, for both kinds of layers, packed and not.
"""

import caffemodel
import numpy as np
import pytest

from stpn_jax.utils import errors
from stpn_jax.weights import caffe_file, formats

KERNEL, BIAS = caffemodel.arange(4, 3, 3, 3), caffemodel.arange(4)


@pytest.mark.parametrize("packed", (True, False))
@pytest.mark.parametrize("double", (True, False))
def test_layers_and_blobs_with_shapes(packed, double):
    blobs = [caffemodel.blob(x, False, packed, double) for x in (KERNEL, BIAS)]
    data = caffemodel.network(
        caffemodel.layer("data", []), caffemodel.layer("conv1/7x7_s2", blobs)
    )
    found = caffe_file.read(data)
    assert list(found) == ["conv1/7x7_s2/0", "conv1/7x7_s2/1"]
    np.testing.assert_array_equal(found["conv1/7x7_s2/0"], KERNEL)
    np.testing.assert_array_equal(found["conv1/7x7_s2/1"], BIAS)
    assert found["conv1/7x7_s2/1"].dtype == (np.float64 if double else np.float32)


def test_old_layers_and_blobs_of_four_axes():
    blobs = [caffemodel.blob(x, legacy=True) for x in (caffemodel.arange(5, 7), BIAS)]
    found = caffe_file.read(caffemodel.network(caffemodel.layer_v1("fc6", blobs, 14)))
    assert found["fc6/0"].shape == (1, 1, 5, 7)
    assert found["fc6/1"].shape == (1, 1, 1, 4)
    np.testing.assert_array_equal(found["fc6/0"][0, 0], caffemodel.arange(5, 7))


def test_gradients_that_a_snapshot_keeps_are_skipped():
    diff = caffemodel.chunk(6, KERNEL.tobytes())
    data = caffemodel.network(
        caffemodel.layer("conv1", [caffemodel.blob(KERNEL, extra=diff)])
    )
    np.testing.assert_array_equal(caffe_file.read(data)["conv1/0"], KERNEL)


def test_every_truncation_ends_in_a_usage_error_or_in_fewer_layers(tmp_path):
    names = ("conv1", "conv2")
    data = caffemodel.network(
        *(caffemodel.layer(name, [caffemodel.blob(BIAS)]) for name in names)
    )
    path = tmp_path / "net.caffemodel"
    for end in range(len(data)):
        path.write_bytes(data[:end])
        try:
            assert set(formats.read(path).tensors) < {"conv1/0", "conv2/0"} or end > 80
        except errors.UsageError as error:
            assert "net.caffemodel" in str(error)


@pytest.mark.parametrize(
    "data, reason",
    (
        (
            caffemodel.network(
                caffemodel.layer("a", [caffemodel.blob(BIAS)]),
                caffemodel.layer("a", [caffemodel.blob(BIAS)]),
            ),
            "two layers are called a",
        ),
        (
            caffemodel.network(
                caffemodel.layer(
                    "a", [caffemodel.blob(BIAS) + caffemodel.chunk(5, b"")]
                )
            ).replace(
                bytes([4]) + caffemodel.tag(5, 2), bytes([5]) + caffemodel.tag(5, 2)
            ),
            "a/0 has 4 values",
        ),
        (
            caffemodel.network(
                caffemodel.layer(
                    "a",
                    [caffemodel.chunk(7, caffemodel.chunk(1, b"\xff" * 9 + b"\x01"))],
                )
            ),
            "a/0 has 0 values",
        ),
        (b"\x89PNG and so on", "not a readable caffe weight file"),
        (caffemodel.network(), "no tensors"),
        (b"", "no tensors"),
    ),
)
def test_errors_name_what_is_wrong(tmp_path, data, reason):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    with pytest.raises(errors.UsageError, match=reason) as error:
        formats.read(path)
    assert "net.caffemodel" in str(error.value)
    assert "\n" not in str(error.value)
