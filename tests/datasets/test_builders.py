"""Listing of each data set; plain tensorflow-datasets reads what is written."""

import functools
import os

import cv2
import numpy as np
import pytest

from stpn_jax.datasets import builders, listing
from stpn_jax.prepare import command
from stpn_jax.records import records
from stpn_jax.utils import errors


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def find(dataset, videos, splits="", fraction=0.25, seed=0):
    options = listing.Options(str(videos), str(splits), fraction, seed)
    return builders.LIST_CLIPS[dataset](options)


def places(found):
    return {clip.name: "_".join(clip.membership) for clip in found.clips}


def hmdb51_lists(folder):
    folder.mkdir()
    lines = {1: "1 2 0 1", 2: "2 1 0 1", 3: "0 1 0 1"}
    names = ["a_wave_u_nm_np1_fr_med_0", "b_#1_wave_u_nm_np1_fr_med_1"]
    names += ["c_wave_u_nm_np1_fr_med_2", "d_wave_u_nm_np1_fr_med_0"]
    for split, marks in lines.items():
        text = [f"{n}.avi {m} \n" for n, m in zip(names, marks.split(), strict=True)]
        (folder / f"wave_test_split{split}.txt").write_text("".join(text))
    return folder


def test_official_clips_others_and_absent_ones(tmp_path):
    names = ["a_wave_u_nm_np1_fr_med_0", "b_@1_wave_u_nm_np1_fr_med_1"]
    names += ["b_!1_wave_u_nm_np1_fr_med_1", "c_wave_u_nm_np1_fr_med_2", "unknown"]
    videos = touch(tmp_path / "v", *(f"wave/{name}.avi" for name in names))
    touch(videos, "wave/notes.txt", "wave/.hidden.avi", "run/else.avi")
    found = find("hmdb51", videos, hmdb51_lists(tmp_path / "lists"))
    assert places(found) == {
        "wave/a_wave_u_nm_np1_fr_med_0.avi": "train_test_none",
        "wave/b_!1_wave_u_nm_np1_fr_med_1.avi": "test_train_train",
    }
    assert [clip.source for clip in found.clips] == ["a", "b_#1"]
    reasons = dict(found.unlisted)
    assert "already" in reasons["wave/b_@1_wave_u_nm_np1_fr_med_1.avi"]
    assert "no official split" in reasons["wave/c_wave_u_nm_np1_fr_med_2.avi"]
    assert "no split list" in reasons["wave/unknown.avi"]
    assert ".txt" in reasons["wave/notes.txt"]
    assert len(reasons) == 5
    assert found.absent == {"wave": 2}
    assert found.splits == 3


def test_archives_as_they_unpack(tmp_path):
    """The folder above the class folders, and the one above the lists."""
    name = "wave/a_wave_u_nm_np1_fr_med_0.avi"
    videos = touch(tmp_path / "v", f"hmdb51_org/{name}", "other/x/y.avi", "a.rar")
    (tmp_path / "up").mkdir()
    hmdb51_lists(tmp_path / "up" / "testTrainMulti_7030_splits")
    found = find("hmdb51", videos, tmp_path / "up")
    assert places(found) == {name: "train_test_none"}
    touch(videos, "again/wave/b.avi")
    with pytest.raises(errors.UsageError, match="same data set"):
        find("hmdb51", videos, tmp_path / "up")


def test_classes_still_packed(tmp_path):
    videos = touch(tmp_path / "v", "wave.rar", "run.rar")
    with pytest.raises(errors.UsageError, match=r"2 .rar files \(run.rar.*unpack"):
        find("hmdb51", videos, hmdb51_lists(tmp_path / "lists"))


def test_the_exact_name_wins_over_one_like_it(tmp_path):
    names = ["b_!1_wave_u_nm_np1_fr_med_1.avi", "b_#1_wave_u_nm_np1_fr_med_1.avi"]
    videos = touch(tmp_path / "v", *(f"wave/{name}" for name in names))
    found = find("hmdb51", videos, hmdb51_lists(tmp_path / "lists"))
    assert [clip.name for clip in found.clips] == ["wave/" + names[1]]


def test_lists_of_another_data_set(tmp_path):
    videos = touch(tmp_path / "v", "run/x.avi")
    with pytest.raises(errors.UsageError, match="none of its 1 clips"):
        find("hmdb51", videos, hmdb51_lists(tmp_path / "lists"))


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51"])
def test_official_data_sets_need_lists(tmp_path, dataset):
    with pytest.raises(errors.UsageError, match="needs --splits"):
        find(dataset, tmp_path)


@pytest.mark.parametrize("dataset", ["folder", "hmdb51"])
def test_missing_and_empty_folders(tmp_path, dataset):
    lists = hmdb51_lists(tmp_path / "lists")
    with pytest.raises(errors.UsageError, match="no such folder"):
        find(dataset, tmp_path / "none", lists)
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.UsageError, match="has no folders"):
        find(dataset, tmp_path / "empty", lists)


def test_files_left_out_have_a_reason(tmp_path):
    videos = touch(tmp_path / "v", "run/a.avi", "run/inner/b.avi", "run/c.txt")
    (videos / "run" / os.fsdecode(b"caf\xe9.avi")).write_bytes(b"x")
    found = find("folder", videos)
    assert [clip.name for clip in found.clips] == ["run/a.avi"]
    reasons = dict(found.unlisted)
    assert set(reasons) == {"run/inner", "run/c.txt", r"run/caf\udce9.avi"}
    assert "UTF-8" in reasons[r"run/caf\udce9.avi"]
    assert "folder" in reasons["run/inner"]


def test_class_folders_without_videos(tmp_path):
    videos = touch(tmp_path / "v", "run/x.txt")
    with pytest.raises(errors.UsageError, match="no video files"):
        find("folder", videos)


def test_a_folder_with_train_and_test(tmp_path):
    videos = touch(tmp_path / "v", "train/run/1.mp4", "train/sit/1.mp4")
    touch(videos, "test/run/1.mp4")
    (videos / "groups.csv").write_text("class,group\nrun,motion\nsit,still\n")
    found = find("folder", videos)
    assert places(found) == {
        "train/run/1.mp4": "train",
        "train/sit/1.mp4": "train",
        "test/run/1.mp4": "test",
    }
    assert found.classes == ("run", "sit")
    assert found.groups == {"run": "motion", "sit": "still"}
    assert found.splits == 1
    (videos / "test" / "run" / "1.mp4").unlink()
    (videos / "test" / "run").rmdir()
    with pytest.raises(errors.UsageError, match="none in test/"):
        find("folder", videos)


@pytest.mark.parametrize("text", ["run,motion\n", "class,group\nfly,motion\n", ""])
def test_groups_that_make_no_sense(tmp_path, text):
    videos = touch(tmp_path / "v", "run/1.mp4", "run/2.mp4")
    (videos / "groups.csv").write_text(text)
    with pytest.raises(errors.UsageError, match=r"groups\.csv"):
        find("folder", videos)


def test_a_class_may_be_called_train(tmp_path):
    videos = touch(tmp_path / "v", "train/1.mp4", "train/2.mp4", "bus/1.mp4")
    assert find("folder", videos).classes == ("bus", "train")


@pytest.mark.parametrize(
    ("fraction", "test"), [(0.25, (1, 1, 2, 0)), (0.5, (1, 2, 4, 0)), (0.0, (0,) * 4)]
)
def test_split_by_ratio(tmp_path, fraction, test):
    counts = {"a": 2, "b": 4, "c": 8, "d": 1}
    names = [f"{label}/{i}.avi" for label, n in counts.items() for i in range(n)]
    videos = touch(tmp_path / "v", *names)
    found = find("folder", videos, fraction=fraction)
    held_out = [clip.label for clip in found.clips if clip.membership == ("test",)]
    assert tuple(held_out.count(label) for label in counts) == test
    assert places(found) == places(find("folder", videos, fraction=fraction))
    others = [places(find("folder", videos, fraction=fraction, seed=s)) for s in (1, 2)]
    assert not fraction or any(other != places(found) for other in others)


def test_select(tmp_path):
    parts = [
        f"{part}/{c}/{i}.avi"
        for part in ("train", "test")
        for c in "abc"
        for i in range(5)
    ]
    found = find("folder", touch(tmp_path / "v", *parts))
    assert listing.select(found, (), 0) == found
    two = listing.select(found, ("c", "a"), 0)
    assert (two.classes, len(two.clips)) == (("a", "c"), 20)
    few = listing.select(found, (), 7)
    assert len(few.clips) == 7
    assert {(c.label, c.membership) for c in few.clips} == {
        (c.label, c.membership) for c in found.clips
    }
    pair = listing.select(found, (), 2)
    assert (pair.classes, set(places(pair).values())) == (("a",), {"train", "test"})
    with pytest.raises(errors.UsageError, match="no class 'A'; did you mean"):
        listing.select(found, ("A",), 0)


def test_a_class_without_clips_cannot_be_chosen(tmp_path):
    videos = touch(tmp_path / "v", "wave/a_wave_u_nm_np1_fr_med_0.avi")
    lists = hmdb51_lists(tmp_path / "lists")
    for split in (1, 2, 3):
        (lists / f"run_test_split{split}.txt").write_text("x.avi 1\n")
    found = find("hmdb51", videos, lists)
    assert listing.select(found, (), 0).classes == ("wave",)
    with pytest.raises(errors.UsageError, match="no clips of run"):
        listing.select(found, ("run",), 0)


def jpeg(rng, shape):
    return cv2.imencode(".jpg", rng.integers(0, 256, shape, np.uint8))[1].tobytes()


@pytest.fixture
def written(tmp_path):
    """Five clips of three classes, packed; what went in by name, and what came out."""
    pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    meta = records.Meta("folder", ("a", "b"), {"b": "g"}, (16, 12), 20.0, 1, {}, 95)
    content, examples = {}, []
    for i in range(5):
        part = "test" if i == 3 else "train"
        clip = listing.Clip(f"{part}/x{i}.avi", "", "ab"[i % 2], f"s{i}", (part,))
        kinds = ((i + 2, (12, 16, 3)), (i + 1, (12, 16)), (i + 1, (12, 16)))
        files = ([jpeg(rng, s) for _ in range(n)] for n, s in kinds)
        content[clip.name] = dict(zip(records.IMAGES, files, strict=True))
        load = functools.partial(content.get, clip.name)
        examples.append(builders.Example(clip, load))
    shards = builders.write(builders.BUILDERS["folder"](tmp_path, meta, examples))
    records.write_index(tmp_path, meta, shards, {})
    return tmp_path, content


def test_written_bytes_are_the_given_ones(written):
    data_dir, content = written
    dataset = records.open_dataset(data_dir)
    assert sorted(content) == list(dataset.names)
    assert dataset.groups.count("g") == 2
    for video, name in enumerate(dataset.names):
        count = int(dataset.num_frames[video])
        flows = dataset.flows(video, range(count - 1))
        assert dataset.frames(video, range(count)) == content[name]["frames"]
        assert flows == (content[name]["flow_x"], content[name]["flow_y"])


def test_plain_tfds_reads_it(written):
    import tensorflow_datasets as tfds

    data_dir, content = written
    reader = tfds.builder_from_directory(data_dir / "folder" / records.VERSION)
    assert set(reader.info.splits) == {"train", "test"}
    seen = {}
    for example in tfds.as_numpy(reader.as_dataset("train+test")):
        seen[example["name"].decode()] = example
    assert set(seen) == set(content)
    for name, example in seen.items():
        data = np.frombuffer(content[name]["frames"][-1], np.uint8)
        expected = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        difference = example["frames"][-1].astype(int) - expected
        assert np.abs(difference).mean() < 2
        assert example["flow_x"].shape == (example["num_frames"] - 1, 12, 16, 1)
        assert reader.info.features["label"].int2str(example["label"]) in "ab"


def test_the_command_knows_every_builder():
    assert tuple(builders.BUILDERS) == command.DATASETS


def test_without_tensorflow_it_says_so_at_once(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="tensorflow"):
        builders.require_tensorflow()


def test_real_clips_match_the_official_lists(real_clips, official_splits):
    ucf = find("ucf101", real_clips / "ucf101", official_splits / "ucf101")
    assert (len(ucf.clips), len(ucf.unlisted)) == (108, 0)
    first = [clip.membership[0] for clip in ucf.clips]
    assert (first.count("train"), first.count("test")) == (72, 36)
    hmdb = find("hmdb51", real_clips / "hmdb51", official_splits / "hmdb51")
    first = [clip.membership[0] for clip in hmdb.clips]
    assert (first.count("train"), first.count("test")) == (665, 257)
    assert len(hmdb.unlisted) == 6
