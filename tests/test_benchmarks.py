"""The benchmarks of speed run at a tiny size and print what they promise."""

import re

import jax
import pytest

from benchmarks import scaling, stcb, train_step


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


def test_scaling(capsys):
    scaling.main(["--counts", "2", "--batch=1", "--side=16", "--repeats=1"])
    printed = capsys.readouterr().out
    size = float(re.search(r"2 devices .* all-reduces of ([\d.]+) MB", printed)[1])
    case = train_step.Case("pyramid", "tiny", "float32", 1, 16)
    params = jax.eval_shape(lambda: train_step.initial(case))["params"]
    least = 4e-6 * sum(x.size for x in jax.tree.leaves(params))
    assert least <= size < 1.1 * least
    assert all(name in printed for name in scaling.PODS)


def test_the_model_of_a_pod():
    """By hand: 2 s of compute, 1.5 s of all-reduce of which 1 s is hidden."""
    pod = scaling.Pod(devices=4, per_host=2, cores=10, peak=1.0, link=1.0)
    sizes = ["--flops=1e11", "--device_batch=10", "--parameters=2.5e8"]
    shares = ["--utilisation=0.5", "--overlap=0.5", "--snippets_per_core=1"]
    options = scaling._parse([*sizes, *shares])
    assert scaling.model(pod, options) == pytest.approx((2.0, 1.5, 2.0, 2.5))
