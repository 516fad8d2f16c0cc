"""Maps on disk: as handed over, also after an interruption."""

import numpy as np
import pytest

from stpn_jax.arrays import MapBatch
from stpn_jax.data import map_store
from stpn_jax.errors import UsageError

COUNT, BATCH = 110, 4


def batch(first, scale=1.0):
    rng = np.random.default_rng(first)
    rows = np.arange(first, first + BATCH)
    return MapBatch(
        images=scale * rng.standard_normal((BATCH, 1, 2, 2, 3)).astype(np.float32),
        paths=rng.standard_normal((BATCH, 3, 2, 2, 3)).astype(np.float32),
        label=(rows % 7).astype(np.int32),
        mask=rows % 5 > 0,
        video=rows.astype(np.int32),
    )


def batches(done):
    yield from (batch(first) for first in range(done, COUNT, BATCH))


def interrupted(done):
    yield from (batch(first) for first in range(done, 96, BATCH))
    raise KeyboardInterrupt


def check(store):
    assert len(store) == COUNT
    for first in range(0, COUNT - BATCH, BATCH):
        found, wanted = store.batch(np.arange(first, first + BATCH)), batch(first)
        for name in ("images", "paths"):
            value = getattr(found, name)
            assert value.dtype == np.float32
            np.testing.assert_allclose(
                value, getattr(wanted, name), rtol=1e-3, atol=1e-6
            )
        for name in ("label", "mask", "video"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


def test_maps_come_back_in_any_order(tmp_path):
    store = map_store.open_or_make(tmp_path / "maps", COUNT, batches)
    check(store)
    np.testing.assert_array_equal(store.batch(np.array([9, 2])).video, [9, 2])
    np.testing.assert_array_equal(store.batch(slice(108, 110)).video, [108, 109])


def test_a_whole_store_is_not_made_again(tmp_path):
    map_store.open_or_make(tmp_path / "maps", COUNT, batches)
    check(map_store.open_or_make(tmp_path / "maps", COUNT, interrupted))


def test_an_interrupted_one_goes_on_where_it_stopped(tmp_path):
    asked = []

    def rest(done):
        asked.append(done)
        return batches(done)

    with pytest.raises(KeyboardInterrupt):
        map_store.open_or_make(tmp_path / "maps", COUNT, interrupted)
    assert not (tmp_path / "maps").exists()
    check(map_store.open_or_make(tmp_path / "maps", COUNT, rest))
    assert 0 < asked[0] <= 96 and asked[0] % BATCH == 0


def test_values_that_float16_has_not_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"values up to .*cached_views to 0"):
        map_store.open_or_make(
            tmp_path / "maps", COUNT, lambda done: iter([batch(0, scale=1e6)])
        )


def test_a_remote_folder_is_refused():
    with pytest.raises(UsageError, match=r"gs://here/maps: .*local disk"):
        map_store.open_or_make("gs://here/maps", COUNT, batches)
