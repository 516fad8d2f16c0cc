"""A first convolution is adapted to colours, flow of its length, and longer flow."""

import numpy as np
import pytest

from stpn_jax.utils import errors
from stpn_jax.weights import channels


def _kernel(count):
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 7, count, 4)).astype(np.float32)


@pytest.mark.parametrize("count", (3, 10, 20))
def test_a_kernel_that_fits_stays(count):
    kernel = _kernel(count)
    assert channels.fit(kernel, count, "file") is kernel


def test_inflation_is_the_mean_over_colours():
    kernel = _kernel(3)
    flow = channels.fit(kernel, 20, "file")
    assert flow.shape == (7, 7, 20, 4)
    for channel in range(20):
        np.testing.assert_allclose(flow[:, :, channel], kernel.mean(2), rtol=1e-6)


@pytest.mark.parametrize("wanted", (20, 30))
def test_tiling_averages_the_responses_to_the_parts_of_a_longer_stack(wanted):
    kernel, times = _kernel(10), wanted // 10
    long = channels.fit(kernel, wanted, "file")
    assert long.dtype == np.float32
    patch = np.random.default_rng(1).normal(size=(7, 7, wanted)).astype(np.float32)
    found = np.einsum("yxc,yxcd->d", patch, long)
    parts = [
        np.einsum("yxc,yxcd->d", part, kernel) for part in np.split(patch, times, 2)
    ]
    np.testing.assert_allclose(found, np.mean(parts, 0), rtol=1e-4)
    steady = np.tile(patch[:, :, :10], (1, 1, times))
    again = np.einsum("yxc,yxcd->d", steady, long)
    np.testing.assert_allclose(again, parts[0], rtol=1e-4)


@pytest.mark.parametrize(
    "found, wanted", ((10, 3), (20, 10), (10, 14), (4, 10), (1, 20), (9, 18))
)
def test_other_channel_counts_are_rejected(found, wanted):
    with pytest.raises(errors.UsageError, match=f"file.* {found} .*{wanted}"):
        channels.fit(_kernel(found), wanted, "file")


def test_the_first_kernel_of_an_unregistered_backbone():
    params = {
        "a": {"kernel": np.zeros((3, 3, 64, 64))},
        "stem": {"kernel": np.zeros((3, 3, 3, 64)), "bias": np.zeros(64)},
        "dense": {"kernel": np.zeros((64, 3))},
    }
    assert channels.first_kernel("mine", params) == "stem/kernel"
    fitted = channels.fit_first("mine", params, 20, "file")
    assert fitted["stem"]["kernel"].shape == (3, 3, 20, 64)
    assert fitted["a"]["kernel"].shape == (3, 3, 64, 64)
    del params["stem"]
    assert channels.first_kernel("mine", params) is None
    assert channels.fit_first("mine", params, 20, "file") is params
