"""The forecast does not promise more than it knows."""

import pytest

from stpn_jax.experiment import train


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "under 10 seconds"),
        (4.9, "under 10 seconds"),
        (14.0, "roughly 0:00:10"),
        (4000.0, "roughly 1:06:40"),
    ],
)
def test_a_short_run_takes_under_ten_seconds(seconds, words):
    assert train.duration(seconds) == words
