"""Feature maps on disk: as handed over, also after an interruption."""

import concurrent.futures
import dataclasses
import threading
import time

import numpy as np
import pytest

from stpn_jax.arrays import MapBatch
from stpn_jax.input_pipeline import feature_store
from stpn_jax.utils.errors import UsageError

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
    store = feature_store.open_or_make(tmp_path / "maps", COUNT, batches)
    check(store)
    np.testing.assert_array_equal(store.batch(np.array([9, 2])).video, [9, 2])
    np.testing.assert_array_equal(store.batch(slice(108, 110)).video, [108, 109])


def test_a_whole_store_is_not_made_again(tmp_path):
    feature_store.open_or_make(tmp_path / "maps", COUNT, batches)
    check(feature_store.open_or_make(tmp_path / "maps", COUNT, interrupted))


def test_an_interrupted_one_resumes_where_it_stopped(tmp_path):
    asked = []

    def rest(done):
        asked.append(done)
        return batches(done)

    with pytest.raises(KeyboardInterrupt):
        feature_store.open_or_make(tmp_path / "maps", COUNT, interrupted)
    assert not (tmp_path / "maps" / "store.json").exists()
    check(feature_store.open_or_make(tmp_path / "maps", COUNT, rest))
    assert 0 < asked[0] <= 96 and asked[0] % BATCH == 0


@pytest.mark.parametrize("name", ["begun.json", "paths.bin", "label.bin"])
def test_what_an_interruption_left_is_not_trusted(tmp_path, name):
    with pytest.raises(KeyboardInterrupt):
        feature_store.open_or_make(tmp_path / "maps", COUNT, interrupted)
    path = tmp_path / "maps" / name
    path.write_bytes(path.read_bytes()[:5])
    check(feature_store.open_or_make(tmp_path / "maps", COUNT, batches))


@pytest.mark.parametrize("name", ["images.bin", "mask.bin", "store.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damage_is_reported_with_its_remedy(tmp_path, name, damage):
    feature_store.open_or_make(tmp_path / "maps", COUNT, batches)
    path = tmp_path / "maps" / name
    content = path.read_bytes()
    if damage == "gone" and name != "store.json":
        path.unlink()
    else:
        path.write_bytes(
            content[:-3] if damage == "cut" else content[:5] + b"x" + content[6:]
        )
    with pytest.raises(
        UsageError, match=r"maps.*(damaged|not the JSON).*delete that folder"
    ):
        feature_store.open_or_make(tmp_path / "maps", COUNT, batches)


def test_a_full_disk_is_an_error_and_not_a_signal(small_disk):
    folder = small_disk(48)
    with pytest.raises(OSError, match="No space left"):
        feature_store.open_or_make(
            folder / "maps", 4000, lambda done: (batch(i) for i in range(done, 4000, 4))
        )
    small_disk(4096)
    assert len(feature_store.open_or_make(folder / "maps", COUNT, batches)) == COUNT


def test_one_of_two_makes_it_and_the_other_waits(tmp_path):
    makers = []

    def slowly(done):
        makers.append(threading.get_ident())
        for one in batches(done):
            time.sleep(0.01)
            yield one

    def work():
        check(feature_store.open_or_make(tmp_path / "maps", COUNT, slowly))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(work), pool.submit(work)]:
            job.result()
    assert len(makers) == 1


def test_maps_without_frames_have_none(tmp_path):
    def flow_only(done):
        for one in batches(done):
            yield dataclasses.replace(one, images=one.images[:, :0])

    store = feature_store.open_or_make(tmp_path / "maps", COUNT, flow_only)
    assert store.batch(np.arange(3)).images.shape == (3, 0, 2, 2, 3)


def test_values_beyond_float16_are_rejected(tmp_path):
    with pytest.raises(UsageError, match=r"values up to .*cached_crops to 0"):
        feature_store.open_or_make(
            tmp_path / "maps", COUNT, lambda done: iter([batch(0, scale=1e6)])
        )


def test_a_remote_folder_is_rejected():
    with pytest.raises(UsageError, match=r"gs://here/maps: .*local disk"):
        feature_store.open_or_make("gs://here/maps", COUNT, batches)
