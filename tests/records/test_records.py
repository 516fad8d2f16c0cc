"""The index against TensorFlow's own reader, random access, and damaged folders."""

import dataclasses
import pickle
import threading

import numpy as np
import pytest

from stpn_jax.records import byte_ranges, records
from stpn_jax.utils import errors

META = records.Meta(
    "folder", ("a", "b"), {"a": "g"}, (8, 6), 20.0, 1, {"tau": 0.25}, 95
)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def images(video, kind, count):
    """Bytes of every length, some ending in zeros as a careless array would cut off."""
    rng = np.random.default_rng([video, len(kind), ord(kind[-1])])
    lengths = rng.integers(1, 400, count)
    return [rng.bytes(int(n)) + b"\0" * (int(n) % 3) for n in lengths]


def example(tf, video, num_frames):
    def texts(*values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def integer(value):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    feature = {
        "name": texts(f"b/clip {video}.avi".encode()),
        "group": texts(b""),
        "source": texts("Zoë".encode()),
        "label": integer(video % 2),
        "num_frames": integer(num_frames),
        "frames": texts(*images(video, "frames", num_frames)),
        "flow_x": texts(*images(video, "flow_x", num_frames - 1)),
        "flow_y": texts(*images(video, "flow_y", num_frames - 1)),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


@pytest.fixture
def data_dir(tf, tmp_path):
    """Seven videos in three files; records in another order than their names."""
    (tmp_path / "folder").mkdir()
    files = {"train": [(6, 0), (2, 4)], "test": [(5, 3, 1)]}
    shards = {}
    for split, parts in files.items():
        shards[split] = []
        for i, videos in enumerate(parts):
            path = tmp_path / "folder" / f"{split}-{i}"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for video in videos:
                    writer.write(example(tf, video, video + 2).SerializeToString())
            shards[split].append(path)
    records.write_index(tmp_path, META, shards, {"limit": 0})
    return tmp_path


def test_all_bytes_by_random_access(data_dir):
    dataset = records.open_dataset(data_dir, (8, 6))
    assert dataset.meta == META
    assert dataset.names == tuple(f"b/clip {v}.avi" for v in range(7))
    assert dataset.sources == ("Zoë",) * 7
    np.testing.assert_array_equal(dataset.labels, np.arange(7) % 2)
    np.testing.assert_array_equal(dataset.num_frames, np.arange(7) + 2)
    assert dataset.membership[4] == ("train",)
    assert dataset.membership[5] == ("test",)
    for video in range(7):
        count = video + 2
        order = np.random.default_rng(video).permutation(count)
        expected = images(video, "frames", count)
        assert dataset.frames(video, order) == [expected[i] for i in order]
        x, y = dataset.flows(video, range(count - 1))
        assert x == images(video, "flow_x", count - 1)
        assert y == images(video, "flow_y", count - 1)


def test_the_digest_of_some_videos_is_of_them_alone(data_dir):
    dataset = records.open_dataset(data_dir)
    some = np.array([1, 4])
    names = [*dataset.names[:6], "another"]
    other = dataclasses.replace(dataset, names=tuple(names))
    assert other.digest_of(some) == dataset.digest_of(some)
    assert other.digest() != dataset.digest()
    assert other.digest_of(np.array([6])) != dataset.digest_of(np.array([6]))
    assert dataset.digest_of(some) != dataset.digest_of(np.array([1, 5]))
    images = dataset.images["flow_x"]
    spans = images.spans.copy()
    spans[images.first[4], 1] += 1
    changed = dataset.images | {"flow_x": dataclasses.replace(images, spans=spans)}
    other = dataclasses.replace(dataset, images=changed)
    assert other.digest_of(some) != dataset.digest_of(some)
    assert other.digest_of(some[:1]) == dataset.digest_of(some[:1])


@pytest.mark.parametrize("position", [-1, 4, 99])
def test_a_position_outside_of_the_video_is_not_the_next_video(data_dir, position):
    dataset = records.open_dataset(data_dir)
    with pytest.raises(IndexError, match="video 2 has images 0 to 3"):
        dataset.frames(2, [position])


def test_a_pickled_copy_and_many_threads_read_the_same(data_dir):
    dataset = records.open_dataset(data_dir)
    dataset.frames(0, [0])
    copy = pickle.loads(pickle.dumps(dataset))
    expected = images(6, "frames", 8)
    wrong = []

    def read():
        for _ in range(200):
            if copy.frames(6, range(8)) != expected:
                wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_files_of_a_remote_file_system(data_dir, monkeypatch):
    dataset = records.open_dataset(data_dir)
    monkeypatch.setattr(byte_ranges.files, "is_remote", lambda path: True)
    assert dataset.frames(3, [1]) == [images(3, "frames", 5)[1]]


def test_integers(tf):
    def feature(*values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = tf.train.Features(feature={"v": feature(0, 1, 300, 2**62)})
    data = tf.train.Example(features=features).SerializeToString()
    assert byte_ranges.parse_example(data) == {"v": [0, 1, 300, 2**62]}


def test_verify_counts_the_records(data_dir):
    assert records.verify(data_dir) == 7


@pytest.mark.parametrize("byte", [3, 9, 40, -2])
def test_verify_finds_every_flipped_bit(data_dir, byte):
    path = data_dir / "folder" / "train-1"
    data = bytearray(path.read_bytes())
    data[byte] ^= 4
    path.write_bytes(data)
    with pytest.raises(errors.UsageError, match=r"train-1.*damaged"):
        records.verify(data_dir)


def test_no_records(tmp_path):
    with pytest.raises(errors.UsageError, match=r"stpn prepare .*--data_dir=\S+x"):
        records.open_dataset(tmp_path / "x")
    with pytest.raises(
        errors.UsageError, match="make them with: my command --data_dir"
    ):
        records.open_dataset(tmp_path, prepare="my command")


def test_records_of_another_size(data_dir):
    with pytest.raises(errors.UsageError, match="8x6 pixels where 340x256") as error:
        records.open_dataset(data_dir, (340, 256), "my command")
    assert str(error.value).endswith(f"my command --data_dir={data_dir}_340x256")


def _shorten(data_dir):
    path = data_dir / "folder" / "test-0"
    path.write_bytes(path.read_bytes()[:-1])
    return "test-0"


def _remove_a_shard(data_dir):
    (data_dir / "folder" / "train-0").unlink()
    return "train-0: 0 bytes"


def _remove_the_index(data_dir):
    (data_dir / records.INDEX).unlink()
    return records.INDEX


def _shorten_the_index(data_dir):
    path = data_dir / records.INDEX
    path.write_bytes(path.read_bytes()[:1000])
    return records.INDEX


def _garble_the_description(data_dir):
    (data_dir / records.DESCRIPTION).write_text("{")
    return records.DESCRIPTION


def _a_description_of_something_else(data_dir):
    (data_dir / records.DESCRIPTION).write_text('{"meta": {}}')
    return records.DESCRIPTION


def _an_index_of_something_else(data_dir):
    np.savez(data_dir / records.INDEX, x=np.zeros(3))
    return records.INDEX


def _another_version(data_dir):
    path = data_dir / records.DESCRIPTION
    path.write_text(path.read_text().replace(records.VERSION, "0.0.1"))
    return "version 0.0.1"


@pytest.mark.parametrize(
    "damage",
    [
        _shorten,
        _remove_a_shard,
        _remove_the_index,
        _shorten_the_index,
        _garble_the_description,
        _a_description_of_something_else,
        _an_index_of_something_else,
        _another_version,
    ],
)
def test_damaged_folders_name_the_culprit(data_dir, damage):
    culprit = damage(data_dir)
    with pytest.raises(errors.UsageError, match=culprit):
        records.open_dataset(data_dir)
