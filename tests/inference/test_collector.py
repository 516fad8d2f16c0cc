"""A prediction comes together from results in any order."""

import numpy as np

from stpn_jax.inference import predictions
from stpn_jax.inference.predictions import Failure, Result

LABELS = ("a", "b", "c")
FRAME = np.zeros((4, 4, 3), np.uint8)


def result(*shares, mark=0.0):
    return Result(
        np.array(shares), np.full((2, 2), float(mark)), {"v": np.ones(2) * mark}, 0.5
    )


def collector():
    return predictions.Collector("clip", central=1, box=(0, 0, 2, 2), rate=10.0)


def test_results_may_come_late_and_in_any_order():
    one = collector()
    one.begin_cell(0, 10)
    one.begin_snippet(3, FRAME)
    receivers = [one.receiver(0), one.receiver(1)]
    one.begin_cell(10, 40)
    one.begin_snippet(15, FRAME + 1)
    receivers += [one.receiver(0), one.receiver(1)]
    one.closed = True
    results = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1)]
    for i in (3, 0, 2, 1):
        assert not one.complete
        receivers[i](result(*results[i], mark=i))
    assert one.complete
    found = one.finish(LABELS, 2)
    np.testing.assert_allclose(found.distribution, [0.125, 0.125, 0.75])
    assert found.labels == ("c", "a")
    assert found.attention.maps[:, 0, 0].tolist() == [1, 3]
    assert found.attention.shown == 1 and found.attention.frame[0, 0, 0] == 1
    assert found.features["v"][0] == 1.5
    assert found.timings.network == 2.0
    assert found.num_frames == 40 and len(found.windows) == 1


def test_a_reason_ends_it():
    one = collector()
    one.begin_cell(0, 10)
    one.begin_snippet(3, FRAME)
    receive = one.receiver(0)
    one.reason = "cut off"
    assert one.complete
    receive(result(1, 0, 0))
    assert one.finish(LABELS, 2) == Failure("clip", "cut off")


def test_few_frames_of_a_long_video_are_kept():
    one = collector()
    for i in range(1000):
        one.begin_cell(10 * i, 10 * i + 10)
        one.begin_snippet(10 * i + 5, FRAME + np.uint8(i % 256))
        one.receiver(1)(result(1, 0, 0, mark=i))
    one.closed = True
    assert len(one._frames) <= 32
    seen = one.finish(LABELS, 1).attention
    assert abs(seen.centres[seen.shown] - 5000) < 10000 / 16
    assert seen.maps[seen.shown][0, 0] % 256 == seen.frame[0, 0, 0]
