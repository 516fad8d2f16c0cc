"""Pooling against Caffe's definition, window by window."""

import numpy as np
import pytest

from stpn_jax.models import pooling


def _caffe_max(x, side, stride, padding):
    size = x.shape[1]
    count = int(np.ceil((size + 2 * padding - side) / stride)) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    starts = [i * stride - padding for i in range(count)]
    spans = [slice(max(s, 0), min(s + side, size)) for s in starts]
    rows = [[x[:, r, c].max((1, 2)) for c in spans] for r in spans]
    return np.stack([np.stack(row, 1) for row in rows], 1)


@pytest.mark.parametrize("size", range(4, 12))
@pytest.mark.parametrize("side, stride, padding", ((3, 2, 0), (3, 1, 1), (2, 2, 1)))
def test_max_pool_rounds_up(size, side, stride, padding):
    x = np.random.default_rng(size).normal(size=(2, size, size, 3)).astype(np.float32)
    found = pooling.max_pool(x, side, stride, padding)
    np.testing.assert_array_equal(found, _caffe_max(x, side, stride, padding))


def test_average_pool_counts_the_padding():
    x = np.ones((1, 4, 4, 1), np.float32)
    found = np.asarray(pooling.average_pool(x, 3, padding=1))[0, :, :, 0]
    assert found[0, 0] == pytest.approx(4 / 9)
    assert found[0, 1] == pytest.approx(6 / 9)
    assert found[1, 1] == pytest.approx(1)
