"""Measured numbers beside the paper's: columns, data sets, splits, groups, gaps."""

from stpn_jax.evaluation import metrics as scores
from studies import accuracy_tables
from studies.tables import PAPER


def metrics(accuracy, **groups):
    return scores.Metrics(accuracy, 0.0, 0.0, {}, groups, [])


def lines(name, runs):
    text = accuracy_tables.of_paper(PAPER[name], runs)
    return [line.strip("| ").split(" | ") for line in text.splitlines()]


def test_each_column_has_the_papers_number_beside_it():
    results = {
        "spatial": metrics(0.5),
        "temporal": metrics(0.6),
        "average of spatial and temporal": metrics(0.755),
    }
    header, _, vgg, resnet50, *_ = lines("2", [("table2_resnet50", "ucf101", results)])
    assert header[::2] == ["row", "paper", "paper", "paper"]
    assert header[1::2] == ["spatial", "temporal", "two-stream"]
    assert resnet50 == ["ResNet-50", "50.0", "83.7", "60.0", "84.9", "75.5", "90.3"]
    assert vgg == ["VGG-16", "-", "80.5", "-", "85.4", "-", "88.9"]


def test_splits_are_averaged_for_each_data_set():
    runs = [
        ("table7_vgg16", dataset, {"pyramid": metrics(accuracy)})
        for dataset, accuracy in (
            ("ucf101", 0.9),
            ("ucf101", 0.8),
            ("hmdb51", 0.5),
        )
    ]
    header, _, vgg, *_ = lines("7", runs)
    assert header == ["row", "accuracy, ucf101", "paper", "accuracy, hmdb51", "paper"]
    assert vgg == ["VGG-16", "85.0", "93.2", "50.0", "66.1"]


def test_one_data_set_has_its_own_numbers_of_the_paper():
    runs = [("table7_vgg16", "hmdb51", {"pyramid": metrics(0.5)})]
    assert lines("7", runs)[2] == ["VGG-16", "50.0", "66.1"]


def test_groups_follow_where_there_is_one_column():
    results = {"pyramid": metrics(0.5, a=1.0, b=0.0), "spatial": metrics(0.1, a=0.2)}
    runs = [("table6_d", "folder", results)]
    header, _, a, *_, d = lines("6", runs)
    assert header == ["row", "accuracy", "paper, on UCF101", "a", "b"]
    assert d == ["D: C + attention", "50.0", "94.2", "100.0", "0.0"]
    assert a == ["A: two streams", "-", "91.7", "-", "-"]


def test_rows_beyond_the_paper_have_no_number_of_it():
    runs = [("extra_bilinear", "ucf101", {"pyramid": metrics(0.5)})]
    row = lines("extra", runs)[3]
    assert row == ["bilinear pooling of the streams", "50.0", "-"]
