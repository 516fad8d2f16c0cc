"""Official lists, names that differ from them, and validation by whole sources."""

import numpy as np
import pytest

from stpn_jax.datasets import official_splits as labels
from stpn_jax.records import records
from stpn_jax.utils import errors


def write_ucf101(folder):
    folder.mkdir()
    (folder / "classInd.txt").write_bytes(b"1 Archery\r\n2 Punch\r\n")
    for split in labels.SPLITS:
        train = [f"Archery/v_Archery_g0{g}_c01.avi 1" for g in (1, 2, 3) if g != split]
        train += [f"Punch/v_Punch_g0{g}_c01.avi 2" for g in (1, 2, 3) if g != split]
        test = [f"{c}/v_{c}_g0{split}_c01.avi" for c in ("Archery", "Punch")]
        (folder / f"trainlist0{split}.txt").write_bytes("\r\n".join(train).encode())
        (folder / f"testlist0{split}.txt").write_bytes("\r\n".join(test).encode())
    return folder


def write_hmdb51(folder):
    folder.mkdir()
    lines = {1: "1 2 0 0", 2: "2 1 1 0", 3: "0 1 2 0"}
    names = ["a_wave_u_nm_np1_fr_med_0", "b_#1_wave_u_nm_np1_fr_med_1"]
    names += ["b_#1_wave_u_nm_np1_fr_med_2", "c_wave_u_nm_np1_fr_med_0"]
    for split, marks in lines.items():
        text = [f"{n}.avi {m} \n" for n, m in zip(names, marks.split(), strict=True)]
        (folder / f"wave_test_split{split}.txt").write_text("".join(text))
    return folder


def dataset(sources, label=None, membership=None, classes=("a", "b"), splits=1):
    count = len(sources)
    label = np.zeros(count, np.int32) if label is None else np.array(label, np.int32)
    meta = records.Meta("folder", classes, {}, (8, 8), 20.0, splits, {}, 95)
    return records.Dataset(
        meta=meta,
        names=tuple(f"v{i}" for i in range(count)),
        labels=label,
        groups=("",) * count,
        sources=tuple(sources),
        membership=tuple(membership or [("train",)] * (count - 1) + [("test",)]),
        num_frames=np.full(count, 9, np.int32),
        images={},
    )


def test_ucf101_lists_with_crlf(tmp_path):
    lists = labels.ucf101(write_ucf101(tmp_path / "ucf"))
    assert lists.classes == ("Archery", "Punch")
    assert len(lists.membership) == 6
    found = lists.membership["Archery", "v_Archery_g02_c01.avi"]
    assert found == ("train", "test", "train")


def test_hmdb51_lists(tmp_path):
    lists = labels.hmdb51(write_hmdb51(tmp_path / "hmdb"))
    assert lists.classes == ("wave",)
    assert list(lists.membership.values()) == [
        ("train", "test", "none"),
        ("test", "train", "train"),
        ("none", "train", "test"),
        ("none", "none", "none"),
    ]


@pytest.mark.parametrize("read", [labels.ucf101, labels.hmdb51])
def test_a_missing_list_is_named(tmp_path, read):
    with pytest.raises(errors.UsageError, match=str(tmp_path)):
        read(tmp_path)


def test_names_match_exactly_or_by_letters_and_digits():
    names = ["a_#1.avi", "b-1.avi", "b1.avi", "c.avi"]
    entries = {("wave", name): ("train",) for name in names}
    lists = labels.OfficialLists(("wave",), entries, lambda *_: "")
    assert lists.find("wave", "a_#1.avi") == ("wave", "a_#1.avi")
    assert lists.find("wave", "a_@1.avi") == ("wave", "a_#1.avi")
    assert lists.find("WAVE", "C.avi") == ("wave", "c.avi")
    assert lists.find("wave", "b-1.avi") == ("wave", "b-1.avi")
    assert lists.find("wave", "b_1.avi") is None, "it could be two"
    assert lists.find("run", "c.avi") is None


def test_sources():
    assert labels.ucf101_source("v_YoYo_g25_c05.avi") == "YoYo_g25"
    assert labels.ucf101_source("else.avi") == "else.avi"
    name = "A_wave_of_it_wave_u_nm_np1_fr_med_1.avi"
    assert labels.hmdb51_source(name, "wave") == "A_wave_of_it"
    assert labels.hmdb51_source("else.avi", "wave") == "else.avi"


def test_shuffled_does_not_depend_on_the_other_texts():
    texts = [str(i) for i in range(50)]
    order = labels.shuffled(texts, "0")
    assert sorted(order) == sorted(texts) != order
    assert labels.shuffled(texts[::2], "0") == [t for t in order if int(t) % 2 == 0]
    assert labels.shuffled(texts, "1") != order


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 1.0])
def test_validation_takes_whole_sources_of_every_class(fraction):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 80)
    sources = [f"g{rng.integers(0, 9)}" for _ in label]
    parts = [("train",) if rng.random() < 0.7 else ("test",) for _ in label]
    data = dataset(sources, label, parts)
    split = labels.split_videos(data, 1, fraction, seed=3)
    everything = np.concatenate([split.train, split.validation, split.test])
    assert sorted(everything) == list(range(80))
    assert all(parts[v] == ("test",) for v in split.test)

    def keys(videos):
        return {(label[v], sources[v]) for v in videos}

    assert not keys(split.train) & keys(split.validation)
    for index in (0, 1):
        held_out = np.sum(label[split.validation] == index)
        assert held_out > 0
        assert np.sum(label[split.train] == index) > 0
        training = np.sum((label == index) & (np.array(parts)[:, 0] == "train"))
        first = max(np.unique(np.array(sources)[label == index], return_counts=True)[1])
        assert held_out <= max(fraction * training, first)


def test_the_seed_samples_the_validation_part():
    data = dataset([f"g{i}" for i in range(40)])
    splits = [labels.split_videos(data, 1, 0.3, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(splits[0].validation, splits[1].validation)
    assert not np.array_equal(splits[0].validation, splits[2].validation)
    assert len(splits[0].validation) == 11


def test_folds_have_no_source_in_common():
    sources = [f"g{i // 3}" for i in range(40)]
    data = dataset(sources)
    folds = [labels.split_videos(data, 1, 1 / 3, 0, fold) for fold in range(3)]
    first = labels.split_videos(data, 1, 1 / 3, 0)
    np.testing.assert_array_equal(folds[0].validation, first.validation)
    parts = [{sources[v] for v in fold.validation} for fold in folds]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert all(len(fold.validation) > 9 for fold in folds)
    for fold, part in zip(folds, parts, strict=True):
        assert not part & {sources[v] for v in fold.train}
    two = dataset(["a", "b", "a", "b", "x"])
    found = [labels.split_videos(two, 1, 0.5, 0, fold) for fold in range(3)]
    assert [len(one.validation) for one in found] == [2, 2, 0]


def test_a_class_of_one_source_keeps_it_for_training():
    split = labels.split_videos(dataset(["x"] * 5), 1, 0.5, 0)
    assert len(split.validation) == 0
    assert len(split.train) == 4
    assert labels.split_videos(dataset("abcde"), 1, 0.0, 0).validation.size == 0


def test_splits_that_are_not_there():
    with pytest.raises(errors.UsageError, match="splits 1 to 1"):
        labels.split_videos(dataset("abc"), 2, 0.1, 0)
    only = dataset("ab", membership=[("train",), ("train",)])
    with pytest.raises(errors.UsageError, match="no test videos"):
        labels.split_videos(only, 1, 0.1, 0)


def test_real_lists(official_splits):
    ucf = labels.ucf101(official_splits / "ucf101")
    assert (len(ucf.classes), len(ucf.membership)) == (101, 13320)
    assert len(set(ucf.membership.values())) == 4
    hmdb = labels.hmdb51(official_splits / "hmdb51")
    assert (len(hmdb.classes), len(hmdb.membership)) == (51, 6766)
    for split in range(3):
        places = [membership[split] for membership in hmdb.membership.values()]
        assert (places.count("train"), places.count("test")) == (3570, 1530)
