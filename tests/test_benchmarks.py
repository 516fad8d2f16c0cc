"""The benchmarks of speed run at a tiny size and print what they promise."""

import re

import pytest

from benchmarks import stcb, train_step


def test_stcb(capsys):
    sizes = ["--rows=6", "--channels=8", "--width=16", "--pathways", "2", "3"]
    device = ["--bandwidth=100", "--peak=100"]
    stcb.main([*sizes, *device, "--repeats=1", "--forms", "--no_compile"])
    printed = capsys.readouterr().out
    assert len(re.findall(r"forward +ours +[\d.]+ ms", printed)) == 2
    for form in stcb.FORMS:
        assert len(re.findall(rf"with gradients +{form} +[\d.]+ ms", printed)) == 2
    assert all(float(x) < 1e-5 for x in re.findall(r"apart (\S+)", printed))


def test_train_step(capsys):
    case = ["--backbones=tiny", "--dtypes=float32", "--batch=2", "--side=16"]
    device = ["--bandwidth=100", "--peak=1"]
    train_step.main([*case, *device, "--libraries=ours", "--repeats=1"])
    printed = capsys.readouterr().out
    assert re.search(r"ours +[\d.]+ clips/s", printed)
    assert re.search(r"floor [\d.]+ clips/s; ours at 0", printed)


def test_the_floor_counts_the_operations_of_a_network():
    """Of VGG-16 it is known: 15.35 G products in its convolutions, at 224 pixels."""
    case = train_step.Case("spatial", "vgg16", "float32", 1, 224)
    seconds = train_step.roofline(case, 1e9, 1e30)
    first, hidden = 3 * 9 * 64 * 224**2, 25088 * 4096 + 4096**2 + 4096 * 101
    assert seconds * 1e9 == pytest.approx(
        6 * (15.3466e9 + hidden) - 2 * first, rel=1e-3
    )


def test_the_network_in_torch_is_ours():
    pytest.importorskip("torch")
    case = train_step.Case("pyramid", "efficientnet_lite0", "float32", 2, 32)
    found = re.search(r"outputs (\S+) apart", train_step.agreement(case))
    assert float(found[1]) < 1e-3
