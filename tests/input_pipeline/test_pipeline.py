"""Batches: exact pixels, order and masks, and one clear line for bad images."""

import dataclasses
import itertools
import threading

import cv2
import jax
import numpy as np
import pytest

from stpn_jax import arrays, config
from stpn_jax.input_pipeline import batching, sampling
from stpn_jax.records import records
from stpn_jax.utils import errors

SIZE = (40, 32)
FRAMES = (12, 36, 9, 40, 5)
SHAPE = sampling.SnippetShape(frames=1, paths=3, flow_length=4, tau=(1, 5))
SETTINGS = config.DataConfig(
    dataset="folder",
    data_dir="made",
    split=1,
    validation_fraction=0.0,
    validation_seed=0,
    size=SIZE,
    crop_size=32,
    crop_scales=(1.0, 0.75),
    max_distort=1,
    corner_crops=False,
    flip=True,
    input_size=24,
    flow_length=4,
    tau=(1, 5),
    threads=2,
    prefetch=2,
)
EVALUATION = config.EvaluationConfig(
    snippets=3, crops=10, frames=1, centres="random", seed=0, batch=4
)
META = records.Meta(
    dataset="folder",
    classes=("one", "two"),
    groups={},
    size=SIZE,
    bound=20.0,
    splits=1,
    flow={},
    jpeg_quality=95,
    version="1",
)


class MadeDataset(records.Dataset):
    """Flat grey images that say which they are: see `value`."""

    def __init__(self, broken: bytes | None = None):
        fields = {
            "meta": META,
            "names": tuple(f"clip{i}" for i in range(len(FRAMES))),
            "labels": np.int32([0, 1, 0, 1, 1]),
            "num_frames": np.int32(FRAMES),
            "broken": broken,
            "asked": [],
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def frames(self, video, positions):
        self.asked.append(("frames", video, tuple(positions)))
        return [self._image(value(video, p, 0), 3) for p in positions]

    def flows(self, video, positions):
        self.asked.append(("flows", video, tuple(positions)))
        assert max(positions) < FRAMES[video] - 1
        return tuple(
            [self._image(value(video, p, kind), 1) for p in positions]
            for kind in (1, 2)
        )

    def _image(self, grey, channels):
        if self.broken is not None:
            return self.broken
        pixels = np.full((SIZE[1], SIZE[0], channels), grey, np.uint8)
        return cv2.imencode(".png", pixels)[1].tobytes()


def value(video: int, position: int, kind: int) -> int:
    return 40 * video + 3 * position % 40 + kind


def train(
    dataset=None, shape=SHAPE, settings=SETTINGS, **changes
) -> list[arrays.Batch]:
    fields = {"batch": 4, "seed": 7, "start_step": 0, "stop_step": 6} | changes
    videos = np.arange(len(FRAMES))
    dataset = dataset or MadeDataset()
    return list(batching.train_batches(dataset, videos, settings, shape, **fields))


def test(dataset=None, shape=SHAPE, evaluation=EVALUATION, **changes):
    videos = np.arange(len(FRAMES))
    dataset = dataset or MadeDataset()
    return list(
        batching.test_batches(dataset, videos, SETTINGS, shape, evaluation, **changes)
    )


test.__test__ = False


def fields_of(batch: arrays.Batch) -> dict[str, np.ndarray]:
    return {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}


def assert_same(ones: list[arrays.Batch], others: list[arrays.Batch]) -> None:
    for one, other in zip(ones, others, strict=True):
        for name, array in fields_of(one).items():
            np.testing.assert_array_equal(array, fields_of(other)[name], err_msg=name)


def joined(parts: list[arrays.Batch]) -> arrays.Batch:
    names = fields_of(parts[0])
    return arrays.Batch(
        **{n: np.concatenate([fields_of(p)[n] for p in parts]) for n in names}
    )


def test_shapes_and_types_are_those_of_the_contract():
    for batch in (train()[0], test()[0]):
        b = len(batch.label)
        side = 32 if b == 4 else 24
        assert batch.rgb.shape == (b, 1, 3, side, side)
        assert batch.flow.shape == (b, 3, 8, side, side)
        types = {name: array.dtype.name for name, array in fields_of(batch).items()}
        assert types == {
            "rgb": "uint8",
            "flow": "uint8",
            "box": "float32",
            "flip": "bool",
            "label": "int32",
            "mask": "bool",
            "video": "int32",
        }


def test_training_snippets_hold_the_planned_images():
    videos = np.arange(len(FRAMES))
    for step, batch in enumerate(train()):
        plan = batching.train_plan(
            MadeDataset(), videos, SETTINGS, SHAPE, batch=4, seed=7, step=step
        )
        for i, (position, (crop,)) in enumerate(plan):
            flows = FRAMES[position.video] - 1
            video, centre, tau = position
            y, x = crop.y1 - crop.y0, crop.x1 - crop.x0
            assert tuple(batch.box[i]) == (0, 0, y, x)
            assert batch.video[i] == video and batch.mask[i]
            assert batch.flip[i] == crop.flip
            assert (batch.rgb[i, 0, :, :y, :x] == value(video, centre, 0)).all()
            indices = sampling.flow_indices(centre, tau, SHAPE, flows)
            for (path, time), index in np.ndenumerate(indices):
                for axis in (0, 1):
                    plane = batch.flow[i, path, 2 * time + axis]
                    grey = value(video, index, 1 + axis)
                    assert (plane[:y, :x] == grey).all()
                    assert not plane[y:].any() and not plane[:, x:].any()


def test_crops_are_where_they_say_and_channels_are_rgb():
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    image = cv2.imencode(".png", pixels)[1].tobytes()
    batch = test(MadeDataset(image), sampling.SnippetShape(1, 0, 4, (1, 5)))[0]
    rgb = pixels[..., ::-1].transpose(2, 0, 1)
    for sample, crop in zip(batch.rgb, sampling.test_crops(SIZE, 24, 10), strict=False):
        expected = rgb[:, crop.y0 : crop.y1, crop.x0 : crop.x1]
        np.testing.assert_array_equal(sample[0], expected)


def test_every_epoch_shows_every_video_once_in_a_new_order():
    shown = np.concatenate([b.video for b in train(stop_step=10)])
    epochs = shown.reshape(8, 5)
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_same_seed_same_batches_other_seed_others():
    assert_same(train(), train(settings=dataclasses.replace(SETTINGS, threads=1)))
    one, other = train()[0], train(seed=8)[0]
    assert any((fields_of(one)[n] != fields_of(other)[n]).any() for n in ("rgb", "box"))


def test_starting_later_is_skipping():
    assert_same(train()[4:], train(start_step=4))
    assert train(start_step=6) == []


@pytest.mark.parametrize("batches", [train, test])
def test_two_hosts_read_together_what_one_does(batches):
    shares = [batches(host=host, hosts=2) for host in (0, 1)]
    assert_same([joined(list(s)) for s in zip(*shares, strict=True)], batches())


def test_hosts_must_divide_the_batch():
    with pytest.raises(errors.UsageError, match="batch = 4 on 3 hosts"):
        train(hosts=3)


def test_test_batches_hold_every_snippet_once_with_its_crops_side_by_side():
    batches = test()
    assert len(batches) == batching.test_batch_count(len(FRAMES), EVALUATION) == 4
    video = np.concatenate([b.video for b in batches]).reshape(-1, 10)
    mask = np.concatenate([b.mask for b in batches]).reshape(-1, 10)
    assert (video == video[:, :1]).all() and (mask == mask[:, :1]).all()
    np.testing.assert_array_equal(video[:15, 0], np.repeat(np.arange(5), 3))
    np.testing.assert_array_equal(mask[:, 0], [True] * 15 + [False])
    assert video[15, 0] == -1
    labels = np.concatenate([b.label for b in batches])
    np.testing.assert_array_equal(labels[:150], np.repeat([0, 1, 0, 1, 1], 30))
    flips = np.concatenate([b.flip for b in batches]).reshape(-1, 10)
    np.testing.assert_array_equal(flips[0], [False] * 5 + [True] * 5)


def test_test_snippets_are_at_the_seeded_positions():
    batch = test(evaluation=dataclasses.replace(EVALUATION, crops=1, batch=15))[0]
    positions = [
        position
        for video in range(len(FRAMES))
        for position in sampling.test_positions(
            video, FRAMES[video], SHAPE, 3, "random", 0
        )
    ]
    grey = [value(p.video, p.centre, 0) for p in positions]
    np.testing.assert_array_equal(batch.rgb[:, 0, 0, 0, 0], grey)


@pytest.mark.parametrize(("frames", "paths"), [(0, 3), (1, 0), (3, 1)])
def test_what_a_network_does_not_see_is_not_read(frames, paths):
    shape = sampling.SnippetShape(frames, paths, 4, (1, 5))
    dataset = MadeDataset()
    for batch in itertools.chain(train(dataset, shape), test(dataset, shape)):
        assert batch.rgb.shape[1] == frames and batch.flow.shape[1] == paths
    wanted = {name for name, n in (("frames", frames), ("flows", paths)) if n}
    assert {kind for kind, *_ in dataset.asked} == wanted


def test_overlapping_paths_read_each_flow_once():
    dataset = MadeDataset()
    shape = sampling.SnippetShape(0, 3, 4, (1, 1))
    train(dataset, shape, stop_step=1)
    assert all(len(set(p)) == len(p) <= 6 for _, _, p in dataset.asked)


@pytest.mark.parametrize("image", [b"", b"no image", b"\xff\xd8\xff"])
@pytest.mark.parametrize("shape", [SHAPE, sampling.SnippetShape(0, 1, 4, (1, 5))])
def test_an_unreadable_image_names_its_clip(image, shape):
    with pytest.raises(errors.UsageError, match=r"clip clip\d: .*prepare"):
        train(MadeDataset(image), shape)


def test_an_image_of_another_size_names_its_clip():
    image = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    with pytest.raises(errors.UsageError, match=r"clip clip\d: .*40x32"):
        test(MadeDataset(image))


def test_no_training_clips_is_reported():
    with pytest.raises(errors.UsageError, match="no training clips"):
        none = np.arange(0)
        next(
            batching.train_batches(
                MadeDataset(), none, SETTINGS, SHAPE, 4, 0, start_step=0, stop_step=1
            )
        )


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_nothing_refers_to_it():
    made = batching.Buffers()
    first = made.empty((4, 5))
    place = address(first)
    part = first[1:].reshape(-1)[2:]
    del first
    assert address(made.empty((4, 5))) != place
    del part
    assert address(made.empty((5, 4))) == place


def test_what_is_held_is_never_written_to():
    made, wrong = batching.Buffers(), []

    def work(value):
        held = []
        for _ in range(200):
            array = made.empty((64,))
            array[:] = value
            held = [*held[-3:], array[8:]]
            wrong.extend(one for one in held if (one != value).any())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_array_on_the_device_keeps_its_memory():
    made = batching.Buffers()
    on_device = []
    for value in range(6):
        array = made.empty((1 << 16,))
        array[:] = value
        on_device.append(jax.device_put(array))
        del array
    for value, array in enumerate(on_device):
        assert (np.asarray(array) == value).all()


def test_memory_of_another_size_is_given_back():
    made = batching.Buffers()
    for size in (10, 20, 30):
        made.empty((size,))
    assert [owner.size for owner in made._owners] == [30]
